//! An example that starts processes.

fn main() {
    matrix_probe::check();
    println!("ok");
}
