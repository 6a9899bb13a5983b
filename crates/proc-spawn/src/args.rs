//! Argument tuples, and the type of function that each of them fits.
#![allow(
    unsafe_code,
    reason = "function pointers travel as addresses and are made again from them"
)]

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A tuple of arguments, and through [`Fn`](Args::Fn) the functions that take them.
///
/// Implemented for tuples of up to twelve elements whose types serde can write and read, `()`
/// included. The function's type is computed from the tuple, which has three effects: closure
/// parameters need no types, named and generic functions of any arity fit, and a closure that
/// captures something is refused by the type checker, because it is no `fn` pointer. What a process
/// is to know, it is told through its arguments.
///
/// A function that never returns needs a type for the result: `|| -> () { loop {} }`.
///
/// These are refused by the compiler: a closure that captures,
///
/// ```compile_fail,E0308
/// let factor = 3;
/// let process = proc_spawn::spawn((2,), |x: i32| x * factor);
/// ```
///
/// an argument that cannot be sent,
///
/// ```compile_fail,E0277
/// fn start(sender: std::sync::mpsc::Sender<u8>) {
///     let process = proc_spawn::spawn((sender,), |_| ());
/// }
/// ```
///
/// and a function with another number of parameters.
///
/// ```compile_fail,E0308
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
/// let process = proc_spawn::spawn((1u32,), add);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tuple of arguments that can be sent to a process",
    label = "expected a tuple such as `()`, `(x,)` or `(x, y)` of serialisable values",
    note = "one argument is written `(x,)`; each must be `Serialize + DeserializeOwned + 'static`"
)]
pub trait Args: Serialize + DeserializeOwned + 'static {
    /// The function pointer that takes these arguments and returns `R`.
    type Fn<R>: FnPointer;

    /// Calls `f` with the arguments.
    fn call<R>(self, f: Self::Fn<R>) -> R;
}

/// A plain `fn` pointer with up to twelve parameters.
///
/// # Safety
///
/// `from_address` of what `address` returned, in a process that runs the same file, gives the same
/// function. The crate implements this for `fn` pointers; there is nothing else to implement it
/// for.
pub unsafe trait FnPointer: Copy {
    #[doc(hidden)]
    fn address(self) -> usize;

    /// # Safety
    ///
    /// `address` is that of a function of exactly this type.
    #[doc(hidden)]
    unsafe fn from_address(address: usize) -> Self;
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        impl<$($name),*> Args for ($($name,)*)
        where
            ($($name,)*): Serialize + DeserializeOwned + 'static,
        {
            type Fn<R> = fn($($name),*) -> R;

            fn call<R>(self, f: Self::Fn<R>) -> R {
                #[allow(non_snake_case, reason = "each parameter is named as its type")]
                let ($($name,)*) = self;
                f($($name),*)
            }
        }

        // SAFETY: the two conversions are inverse; the loader places one file's functions at one
        // distance from each other, which is what the caller of `from_address` corrects for.
        unsafe impl<R, $($name),*> FnPointer for fn($($name),*) -> R {
            fn address(self) -> usize {
                self as usize
            }

            unsafe fn from_address(address: usize) -> Self {
                // SAFETY: the caller says that a function of this type is there; both types are
                // one word wide.
                unsafe { std::mem::transmute::<usize, Self>(address) }
            }
        }
    )*};
}

tuples! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_survives_the_way_through_its_address() {
        let f: fn(u8, u8) -> u8 = |a, b| a - b;
        // SAFETY: the address is that of a function of this type, of this process.
        let again = unsafe { <fn(u8, u8) -> u8>::from_address(f.address()) };
        assert_eq!((7u8, 4u8).call::<u8>(again), 3);
    }
}
