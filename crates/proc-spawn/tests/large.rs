//! Arguments and results of any size, with nobody reading at the other side.

use proc_spawn::spawn;

const LEN: usize = 10 << 20;

#[test]
fn ten_mebibytes_there_and_back_while_the_parent_does_not_read() {
    let _watchdog = testkit::watchdog(std::time::Duration::from_secs(240));
    let text: String = ('a'..='z').cycle().take(LEN).collect();
    let process = spawn((text.clone(),), |text| text).unwrap();
    // It exits before anybody has read its result.
    assert!(process.wait().success());
    assert!(process.join().unwrap() == text);
}

#[test]
fn results_that_nobody_reads_do_not_pile_up_descriptors() {
    let handles: Vec<_> =
        (0..10).map(|byte| spawn((byte,), |byte: u8| vec![byte; 1 << 20]).unwrap()).collect();
    for handle in &handles {
        assert!(handle.wait().success());
    }
    for (byte, handle) in handles.into_iter().enumerate().rev() {
        assert_eq!(handle.join().unwrap(), vec![u8::try_from(byte).unwrap(); 1 << 20]);
    }
}
