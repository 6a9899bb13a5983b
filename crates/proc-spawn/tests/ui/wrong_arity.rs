use proc_spawn::spawn;

fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {
    let _ = spawn((1u32,), add);
}
