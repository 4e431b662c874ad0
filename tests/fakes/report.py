"""A progress report that keeps what it was told."""

from builder.progress import Outcome


class KeptReport:
    """Remembers steps in order."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Outcome]] = []
        self.notes: list[str] = []
        self.told: list[str] = []

    def begin(self, step: str) -> None:
        """Nothing to keep: the end tells all."""

    def note(self, text: str) -> None:
        self.notes.append(text)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def end(self, step: str, seconds: float, outcome: Outcome) -> None:
        assert seconds >= 0
        self.steps.append((step, outcome))
