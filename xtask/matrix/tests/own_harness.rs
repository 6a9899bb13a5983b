//! A test with a `main` of its own.

fn main() {
    matrix_probe::check_fork();
    matrix_probe::check();
}
