//! No process outlives its task, no task outlives orca, nothing hangs or floods.

mod sandbox_fixture;

use orca::sandbox::End;
use sandbox_fixture::each_way;

#[test]
fn exit_codes_and_signals_are_told_apart() {
    each_way(|f| {
        f.run("echo hello; exit 0").succeeded().says("hello");
        assert_eq!(f.run("exit 139").exit.end, End::Code(139));
        assert_eq!(f.run("kill -SEGV $$").exit.end, End::Signal(11));
        assert_eq!(f.run("kill -KILL $$").exit.end, End::Signal(9));
    });
}
