use proc_spawn::spawn;
use std::sync::mpsc::Sender;

fn work(_sender: Sender<u8>) {}

fn start(sender: Sender<u8>) {
    let _ = spawn((sender,), work);
}

fn main() {
    let (sender, _receiver) = std::sync::mpsc::channel();
    start(sender);
}
