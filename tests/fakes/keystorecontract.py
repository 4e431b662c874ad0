"""What every store of keys must do; run over each adapter and over the fake."""

from hostio.keyvalue.port import KeyStore
from osmodel.keyvalue import (
    Delete,
    Order,
    Outcome,
    Put,
    Range,
    Transaction,
    Unchanged,
    end_of_prefix,
)


def put(store: KeyStore, key: str, value: bytes = b"") -> Outcome:
    return store.commit(Transaction((), (Put(key, value),), (Range(key),)))


def below(prefix: str) -> Range:
    return Range(prefix, end_of_prefix(prefix))


class KeyStoreContract:
    """Test classes inherit it and give a fixture ``store``."""

    def test_what_was_put_is_read(self, store: KeyStore) -> None:
        written = put(store, "a/x", b"\x00\xffvalue")
        ((one,),) = store.commit(Transaction(reads=(Range("a/x"),))).found
        assert (one.key, one.value) == ("a/x", b"\x00\xffvalue")
        assert one.mod_revision == one.create_revision == written.revision

    def test_a_key_that_is_not_there_is_an_empty_answer(self, store: KeyStore) -> None:
        assert store.commit(Transaction(reads=(Range("missing"), below("m/")))).found == ((), ())

    def test_a_read_in_a_transaction_sees_its_changes(self, store: KeyStore) -> None:
        assert put(store, "b", b"1").found[0][0].value == b"1"

    def test_a_change_is_made_only_if_nothing_has_changed(self, store: KeyStore) -> None:
        first = put(store, "c", b"1").found[0][0]
        swap = Transaction((Unchanged("c", first.mod_revision),), (Put("c", b"2"),), (Range("c"),))
        assert store.commit(swap).committed
        again = store.commit(swap)
        assert not again.committed
        assert again.found[0][0].value == b"2"
        assert again.found[0][0].create_revision == first.create_revision

    def test_revision_zero_means_that_there_is_no_key(self, store: KeyStore) -> None:
        create = Transaction((Unchanged("d", 0),), (Put("d", b""),))
        assert store.commit(create).committed
        assert not store.commit(create).committed

    def test_a_deleted_key_is_made_anew_later(self, store: KeyStore) -> None:
        first = put(store, "e").found[0][0]
        gone = store.commit(Transaction((), (Delete("e"),), (Range("e"),)))
        assert gone.committed
        assert gone.found == ((),)
        assert put(store, "e").found[0][0].create_revision > first.create_revision
        assert store.commit(Transaction((), (Delete("never"),))).committed

    def test_ranges_are_ordered_limited_and_bare(self, store: KeyStore) -> None:
        revisions = [put(store, f"q/{name}", b"v").revision for name in "cab"]
        wanted = (
            below("q/"),
            Range("q/", "q0", 1, Order.OLDEST_FIRST),
            Range("q/", "q0", 2, Order.NEWEST_FIRST, keys_only=True),
            Range("q/", "q0", 5, Order.NEWEST_FIRST, created_before=revisions[2]),
        )
        found = store.commit(Transaction(reads=wanted)).found
        names = [[one.key[2:] for one in keys] for keys in found]
        assert names == [["a", "b", "c"], ["c"], ["b", "a"], ["a", "c"]]
        assert [one.value for one in found[2]] == [b"", b""]

    def test_several_keys_change_at_one_revision(self, store: KeyStore) -> None:
        both = (Put("f", b"1"), Put("g", b"2"))
        outcome = store.commit(Transaction((), both, (Range("f"), Range("g"))))
        assert {keys[0].mod_revision for keys in outcome.found} == {outcome.revision}

    def test_a_watch_tells_what_has_changed_since(self, store: KeyStore) -> None:
        before = put(store, "h/1").revision
        put(store, "other")
        put(store, "i")
        changes = store.watch((below("h/"), Range("i")), before, 2.0)
        assert [change.key for change in changes] == ["i"]

    def test_a_watch_without_changes_ends_in_time(self, store: KeyStore) -> None:
        before = put(store, "k").revision
        assert list(store.watch((Range("k"),), before, 0.3)) == []
