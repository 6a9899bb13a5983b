use proc_spawn::spawn;

fn main() {
    let factor = 3;
    let _ = spawn((2,), |x: i32| x * factor);
}
