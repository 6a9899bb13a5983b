//! The rows of the queues.

use super::faces::{
    BLOCKS, BLOCKS_INTO, BYTES, BYTES_INTO, FORCED, FORCED_BYTES, FORCED_VALUES, MANY, MANY_BYTES,
    MANY_VALUES, NUMBERS, VALUES,
};
use super::{
    force, in_vain, recv, recv_from_sleepers, recv_twice, send, send_to_sleepers, send_twice,
    woken_receiver, woken_sender,
};
use crate::row::{Row, row};
use crate::scenes::Verb::{Block, Timeout, Try};

pub(crate) const ROWS: &[Row] = &[
    row("Sender::send", "some there", |plan| send(&NUMBERS, Block, plan)),
    row("Sender::try_send", "some there", |plan| send(&NUMBERS, Try, plan)),
    row("Sender::send_timeout", "some there", |plan| send(&NUMBERS, Timeout, plan)),
    row("Sender::send", "sleeper", |plan| send_to_sleepers(&NUMBERS, 1, false, plan)),
    row("Sender::send", "sleeper, barger", |plan| send_to_sleepers(&NUMBERS, 1, true, plan)),
    row("Sender::send", "two sleepers, barger", |plan| send_to_sleepers(&NUMBERS, 2, true, plan)),
    row("Sender::send", "full, woken, another asleep", |plan| {
        woken_sender(&NUMBERS, Block, false, plan)
    }),
    row("Sender::send", "full, woken, another asleep, barger", |plan| {
        woken_sender(&NUMBERS, Block, true, plan)
    }),
    row("Sender::send_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&NUMBERS, Timeout, false, plan)
    }),
    row("Sender::try_send", "full", |plan| in_vain(&NUMBERS, true, plan)),
    row("Sender::send", "next sender killed too, sleeper", |plan| send_twice(&NUMBERS, plan)),
    row("Receiver::recv", "some there", |plan| recv(&NUMBERS, Block, plan)),
    row("Receiver::try_recv", "some there", |plan| recv(&NUMBERS, Try, plan)),
    row("Receiver::recv_timeout", "some there", |plan| recv(&NUMBERS, Timeout, plan)),
    row("Receiver::recv", "full, sleeper", |plan| recv_from_sleepers(&NUMBERS, 1, false, plan)),
    row("Receiver::recv", "full, sleeper, barger", |plan| {
        recv_from_sleepers(&NUMBERS, 1, true, plan)
    }),
    row("Receiver::recv", "full, two sleepers, barger", |plan| {
        recv_from_sleepers(&NUMBERS, 2, true, plan)
    }),
    row("Receiver::recv", "empty, woken, another asleep", |plan| {
        woken_receiver(&NUMBERS, Block, false, plan)
    }),
    row("Receiver::recv", "empty, woken, another asleep, barger", |plan| {
        woken_receiver(&NUMBERS, Block, true, plan)
    }),
    row("Receiver::recv_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&NUMBERS, Timeout, false, plan)
    }),
    row("Receiver::try_recv", "empty", |plan| in_vain(&NUMBERS, false, plan)),
    row("Receiver::recv", "next receiver killed too", |plan| recv_twice(&NUMBERS, plan)),
    row("Sender::send_many", "some there", |plan| send(&MANY, Block, plan)),
    row("Sender::try_send_many", "some there", |plan| send(&MANY, Try, plan)),
    row("Sender::send_many_timeout", "some there", |plan| send(&MANY, Timeout, plan)),
    row("Sender::send_many", "two sleepers, barger", |plan| send_to_sleepers(&MANY, 2, true, plan)),
    row("Sender::send_many", "full, woken, another asleep", |plan| {
        woken_sender(&MANY, Block, false, plan)
    }),
    row("Sender::send_many_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&MANY, Timeout, false, plan)
    }),
    row("Sender::try_send_many", "full", |plan| in_vain(&MANY, true, plan)),
    row("Sender::send_many", "next sender killed too, sleeper", |plan| send_twice(&MANY, plan)),
    row("Receiver::recv_many", "some there", |plan| recv(&MANY, Block, plan)),
    row("Receiver::try_recv_many", "some there", |plan| recv(&MANY, Try, plan)),
    row("Receiver::recv_many_timeout", "some there", |plan| recv(&MANY, Timeout, plan)),
    row("Receiver::recv_many", "full, two sleepers, barger", |plan| {
        recv_from_sleepers(&MANY, 2, true, plan)
    }),
    row("Receiver::recv_many", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY, Block, false, plan)
    }),
    row("Receiver::recv_many_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY, Timeout, false, plan)
    }),
    row("Receiver::try_recv_many", "empty", |plan| in_vain(&MANY, false, plan)),
    row("Receiver::recv_many", "next receiver killed too", |plan| recv_twice(&MANY, plan)),
    row("BlockSender::send", "some there", |plan| send(&BLOCKS, Block, plan)),
    row("BlockSender::try_send", "some there", |plan| send(&BLOCKS, Try, plan)),
    row("BlockSender::send_timeout", "some there", |plan| send(&BLOCKS, Timeout, plan)),
    row("BlockSender::send", "two sleepers, barger", |plan| {
        send_to_sleepers(&BLOCKS, 2, true, plan)
    }),
    row("BlockSender::send", "all blocks taken, woken, another asleep", |plan| {
        woken_sender(&BLOCKS, Block, false, plan)
    }),
    row("BlockSender::send", "all blocks taken, woken, another asleep, barger", |plan| {
        woken_sender(&BLOCKS, Block, true, plan)
    }),
    row("BlockSender::send_timeout", "all blocks taken, woken, another asleep", |plan| {
        woken_sender(&BLOCKS, Timeout, false, plan)
    }),
    row("BlockSender::try_send", "all blocks taken", |plan| in_vain(&BLOCKS, true, plan)),
    row("BlockSender::send", "next sender killed too, sleeper", |plan| send_twice(&BLOCKS, plan)),
    row("BlockReceiver::recv", "some there", |plan| recv(&BLOCKS, Block, plan)),
    row("BlockReceiver::recv_into", "some there", |plan| recv(&BLOCKS_INTO, Block, plan)),
    row("BlockReceiver::try_recv", "some there", |plan| recv(&BLOCKS, Try, plan)),
    row("BlockReceiver::recv_timeout", "some there", |plan| recv(&BLOCKS, Timeout, plan)),
    row("BlockReceiver::recv", "all blocks taken, two sleepers, barger", |plan| {
        recv_from_sleepers(&BLOCKS, 2, true, plan)
    }),
    row("BlockReceiver::recv", "empty, woken, another asleep", |plan| {
        woken_receiver(&BLOCKS, Block, false, plan)
    }),
    row("BlockReceiver::recv_into", "empty, woken, another asleep", |plan| {
        woken_receiver(&BLOCKS_INTO, Block, false, plan)
    }),
    row("BlockReceiver::recv_into", "all blocks taken, two sleepers, barger", |plan| {
        recv_from_sleepers(&BLOCKS_INTO, 2, true, plan)
    }),
    row("BlockReceiver::recv_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&BLOCKS, Timeout, false, plan)
    }),
    row("BlockReceiver::try_recv", "empty", |plan| in_vain(&BLOCKS, false, plan)),
    row("BlockReceiver::recv", "next receiver killed too", |plan| recv_twice(&BLOCKS, plan)),
    row("ByteSender::send", "wrap of the arena", |plan| send(&BYTES, Block, plan)),
    row("ByteSender::try_send", "wrap of the arena", |plan| send(&BYTES, Try, plan)),
    row("ByteSender::send_timeout", "wrap of the arena", |plan| send(&BYTES, Timeout, plan)),
    row("ByteSender::try_send", "full", |plan| in_vain(&BYTES, true, plan)),
    row("ByteSender::send", "sleeper, barger", |plan| send_to_sleepers(&BYTES, 1, true, plan)),
    row("ByteSender::send", "full, woken, another asleep", |plan| {
        woken_sender(&BYTES, Block, false, plan)
    }),
    row("ByteSender::send_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&BYTES, Timeout, false, plan)
    }),
    row("ByteSender::send", "next sender killed too, sleeper", |plan| send_twice(&BYTES, plan)),
    row("ByteReceiver::recv", "wrap of the arena", |plan| recv(&BYTES, Block, plan)),
    row("ByteReceiver::try_recv", "wrap of the arena", |plan| recv(&BYTES, Try, plan)),
    row("ByteReceiver::recv_timeout", "wrap of the arena", |plan| recv(&BYTES, Timeout, plan)),
    row("ByteReceiver::recv_into", "wrap of the arena", |plan| recv(&BYTES_INTO, Block, plan)),
    row("ByteReceiver::try_recv", "empty", |plan| in_vain(&BYTES, false, plan)),
    row("ByteReceiver::recv", "full, sleeper, barger", |plan| {
        recv_from_sleepers(&BYTES, 1, true, plan)
    }),
    row("ByteReceiver::recv", "empty, woken, another asleep", |plan| {
        woken_receiver(&BYTES, Block, false, plan)
    }),
    row("ByteReceiver::recv_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&BYTES, Timeout, false, plan)
    }),
    row("ByteReceiver::recv_into", "empty, woken, another asleep", |plan| {
        woken_receiver(&BYTES_INTO, Block, false, plan)
    }),
    row("ByteReceiver::recv_into", "full, sleeper, barger", |plan| {
        recv_from_sleepers(&BYTES_INTO, 1, true, plan)
    }),
    row("ByteReceiver::recv", "next receiver killed too", |plan| recv_twice(&BYTES, plan)),
    row("ByteSender::send_many", "wrap of the arena", |plan| send(&MANY_BYTES, Block, plan)),
    row("ByteSender::try_send_many", "wrap of the arena", |plan| send(&MANY_BYTES, Try, plan)),
    row("ByteSender::send_many_timeout", "wrap of the arena", |plan| {
        send(&MANY_BYTES, Timeout, plan)
    }),
    row("ByteSender::send_many", "two sleepers, barger", |plan| {
        send_to_sleepers(&MANY_BYTES, 2, true, plan)
    }),
    row("ByteSender::send_many", "full, woken, another asleep", |plan| {
        woken_sender(&MANY_BYTES, Block, false, plan)
    }),
    row("ByteSender::send_many_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&MANY_BYTES, Timeout, false, plan)
    }),
    row("ByteSender::try_send_many", "full", |plan| in_vain(&MANY_BYTES, true, plan)),
    row("ByteSender::send_many", "next sender killed too, sleeper", |plan| {
        send_twice(&MANY_BYTES, plan)
    }),
    row("ByteReceiver::recv_many", "wrap of the arena", |plan| recv(&MANY_BYTES, Block, plan)),
    row("ByteReceiver::try_recv_many", "wrap of the arena", |plan| recv(&MANY_BYTES, Try, plan)),
    row("ByteReceiver::recv_many_timeout", "wrap of the arena", |plan| {
        recv(&MANY_BYTES, Timeout, plan)
    }),
    row("ByteReceiver::recv_many", "full, two sleepers, barger", |plan| {
        recv_from_sleepers(&MANY_BYTES, 2, true, plan)
    }),
    row("ByteReceiver::recv_many", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY_BYTES, Block, false, plan)
    }),
    row("ByteReceiver::recv_many_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY_BYTES, Timeout, false, plan)
    }),
    row("ByteReceiver::try_recv_many", "empty", |plan| in_vain(&MANY_BYTES, false, plan)),
    row("ByteReceiver::recv_many", "next receiver killed too", |plan| {
        recv_twice(&MANY_BYTES, plan)
    }),
    row("ValueSender::send", "some there", |plan| send(&VALUES, Block, plan)),
    row("ValueSender::try_send", "some there", |plan| send(&VALUES, Try, plan)),
    row("ValueSender::send_timeout", "some there", |plan| send(&VALUES, Timeout, plan)),
    row("ValueSender::try_send", "full", |plan| in_vain(&VALUES, true, plan)),
    row("ValueSender::send", "sleeper, barger", |plan| send_to_sleepers(&VALUES, 1, true, plan)),
    row("ValueSender::send", "full, woken, another asleep", |plan| {
        woken_sender(&VALUES, Block, false, plan)
    }),
    row("ValueSender::send_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&VALUES, Timeout, false, plan)
    }),
    row("ValueSender::send", "next sender killed too, sleeper", |plan| send_twice(&VALUES, plan)),
    row("ValueReceiver::recv", "some there", |plan| recv(&VALUES, Block, plan)),
    row("ValueReceiver::try_recv", "some there", |plan| recv(&VALUES, Try, plan)),
    row("ValueReceiver::recv_timeout", "some there", |plan| recv(&VALUES, Timeout, plan)),
    row("ValueReceiver::try_recv", "empty", |plan| in_vain(&VALUES, false, plan)),
    row("ValueReceiver::recv", "full, sleeper, barger", |plan| {
        recv_from_sleepers(&VALUES, 1, true, plan)
    }),
    row("ValueReceiver::recv", "empty, woken, another asleep", |plan| {
        woken_receiver(&VALUES, Block, false, plan)
    }),
    row("ValueReceiver::recv_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&VALUES, Timeout, false, plan)
    }),
    row("ValueReceiver::recv", "next receiver killed too", |plan| recv_twice(&VALUES, plan)),
    row("ValueSender::send_many", "some there", |plan| send(&MANY_VALUES, Block, plan)),
    row("ValueSender::try_send_many", "some there", |plan| send(&MANY_VALUES, Try, plan)),
    row("ValueSender::send_many_timeout", "some there", |plan| send(&MANY_VALUES, Timeout, plan)),
    row("ValueSender::send_many", "two sleepers, barger", |plan| {
        send_to_sleepers(&MANY_VALUES, 2, true, plan)
    }),
    row("ValueSender::send_many", "full, woken, another asleep", |plan| {
        woken_sender(&MANY_VALUES, Block, false, plan)
    }),
    row("ValueSender::send_many_timeout", "full, woken, another asleep", |plan| {
        woken_sender(&MANY_VALUES, Timeout, false, plan)
    }),
    row("ValueSender::try_send_many", "full", |plan| in_vain(&MANY_VALUES, true, plan)),
    row("ValueSender::send_many", "next sender killed too, sleeper", |plan| {
        send_twice(&MANY_VALUES, plan)
    }),
    row("ValueReceiver::recv_many", "some there", |plan| recv(&MANY_VALUES, Block, plan)),
    row("ValueReceiver::try_recv_many", "some there", |plan| recv(&MANY_VALUES, Try, plan)),
    row("ValueReceiver::recv_many_timeout", "some there", |plan| recv(&MANY_VALUES, Timeout, plan)),
    row("ValueReceiver::recv_many", "full, two sleepers, barger", |plan| {
        recv_from_sleepers(&MANY_VALUES, 2, true, plan)
    }),
    row("ValueReceiver::recv_many", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY_VALUES, Block, false, plan)
    }),
    row("ValueReceiver::recv_many_timeout", "empty, woken, another asleep", |plan| {
        woken_receiver(&MANY_VALUES, Timeout, false, plan)
    }),
    row("ValueReceiver::try_recv_many", "empty", |plan| in_vain(&MANY_VALUES, false, plan)),
    row("ValueReceiver::recv_many", "next receiver killed too", |plan| {
        recv_twice(&MANY_VALUES, plan)
    }),
    row("Sender::force_send", "room, two sleepers, barger", |plan| {
        send_to_sleepers(&FORCED, 2, true, plan)
    }),
    row("Sender::force_send", "full", |plan| force(&FORCED, 0, plan)),
    row("Sender::force_send", "full, two senders asleep", |plan| force(&FORCED, 2, plan)),
    row("ByteSender::force_send", "full, sender asleep", |plan| force(&FORCED_BYTES, 1, plan)),
    row("ByteSender::force_send", "room, two sleepers, barger", |plan| {
        send_to_sleepers(&FORCED_BYTES, 2, true, plan)
    }),
    row("ValueSender::force_send", "room, two sleepers, barger", |plan| {
        send_to_sleepers(&FORCED_VALUES, 2, true, plan)
    }),
    row("ValueSender::force_send", "full", |plan| force(&FORCED_VALUES, 0, plan)),
    row("ValueSender::force_send", "full, sender asleep", |plan| force(&FORCED_VALUES, 1, plan)),
];
