"""The etcd port: transactions, watches, leases.

Applications see keys and transactions (``osmodel.keyvalue``) and the faults
below; which server answered, over what, is the adapter's business. Reads are
linearizable: they see every change that was committed before they began.

Source: etcd v3 API guarantees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from osmodel.faults import TransientFailure
from osmodel.keyvalue import KeyChange, Outcome, Range, Transaction


class UnknownOutcome(TransientFailure):
    """A change was sent and no answer came: it may have happened, or happen later.

    Only reading back tells. A change that compares revisions can be sent again
    with those that are read then.
    """


class KeyStore(Protocol):
    """Port for keys; the fake is ``tests.fakes.rametcd.RamEtcd``."""

    def commit(self, transaction: Transaction) -> Outcome:
        """Read and write at one revision; durable once it returns.

        Raises:
            UnknownOutcome: it has changes and they may have been made.
            TransientFailure: no member answered; nothing was changed.
            UntrustedData: an answer that is none.
            InvalidInput: refused: wrong user, password, certificate or key.
        """
        ...

    def watch(self, ranges: Sequence[Range], revision: int, timeout: float) -> Sequence[KeyChange]:
        """Wait for changes after ``revision``; nothing when time is up.

        Args:
            ranges: what to watch; order and limits of them do not matter.
            revision: of the store when it was read last.
            timeout: seconds.

        Raises:
            TransientFailure: no member answered, or the history since ``revision`` is gone:
                read again.
            UntrustedData: an answer that is none.
            InvalidInput: as above.
        """
        ...


class Leases(Protocol):
    """Port for leases: keys that vanish when their owner is silent for too long.

    All raise ``TransientFailure`` when no member answers, as a commit does.
    """

    def grant(self, seconds: int) -> int:
        """A new lease that ends in ``seconds`` unless it is kept alive."""
        ...

    def keep_alive(self, lease: int) -> int:
        """Begin the time of a lease anew; seconds it has, 0 if it has ended."""
        ...

    def revoke(self, lease: int) -> None:
        """End a lease and remove its keys; a no-op if it has ended."""
        ...
