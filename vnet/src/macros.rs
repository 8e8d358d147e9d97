//! The macro that declares a module.

/// Declares a module: its id, dependencies, hooks, per-vnet variables and sysctls, once for all accessor arms.
///
/// ```
/// mod module {
///     vnet::module! {
///         /// IPv4.
///         pub mod inet {
///             id: vnet::ModuleId::INET,
///             depends: [],
///             vars {
///                 /// Forward packets between interfaces.
///                 pub ipforwarding: vnet::SysctlInt = 0,
///                     sysctl("net.inet.ip.forwarding", RW, 0..=1, "Enable IP forwarding between interfaces");
///                 /// Counters.
///                 pub ipstat: vnet::PerWorker<vnet::Counter>;
///             }
///         }
///     }
/// }
/// ```
///
/// In this order, and all but `id`, `depends` and `vars` optional:
///
/// * `id: ModuleId`, `depends: [ModuleId, ...]`;
/// * `attach: path` to an [`Attach`](crate::Attach) function; `unpublish: path`, `drain: path` and `detach: path` to a
///   [`Hook`](crate::Hook). In the death of a vnet, `unpublish` runs at once, `drain` after no worker is at work for the
///   vnet, and then `detach`. All run with curvnet set;
/// * `globals { ... }`: variables that the process has once, reached by a function of their name;
/// * `vars { ... }`: variables that each vnet has. A variable is `name: Type = default, sysctl(...), ...;` where
///   `Type` is a [`Field`](crate::Field) and the default goes to `Type::new`; without one the variable begins as
///   `Field::INIT`.
///
/// A sysctl is `sysctl("name", FLAGS, range, "description")` for a number, without the range for the type's own range
/// or a string, and `sysctl("name", FLAGS, proc handler, "description")` for a
/// [procedure](crate::sysctl::Handler) on a variable of any type. Flags: `RD`, `RW`, and with `| TUN` a variable that
/// the configuration of a new vnet may set though it is read-only afterwards. The range holds `i128`s.
///
/// The macro makes a Rust module with `MODULE` (a [`ModuleDef`](crate::ModuleDef)), `Base` with a method for each
/// variable, `init(vnet)` and `cur(reader)` which return a base (`INIT_VNET_*`), and `of(bound, at)` which takes it from a
/// [`Bound`](crate::Bound). Paths in the declaration are those of the place where it stands, from one module further in.
#[macro_export]
macro_rules! module {
    ($(#[doc = $doc:literal])* $module_vis:vis mod $module:ident {
        id: $id:expr,
        depends: [$($depends:expr),* $(,)?],
        $(attach: $attach:path,)?
        $(unpublish: $unpublish:path,)?
        $(drain: $drain:path,)?
        $(detach: $detach:path,)?
        $(globals { $(
            $(#[doc = $global_doc:literal])*
            $global_vis:vis $global:ident : $global_ty:ty $(= $global_default:expr)? $(, sysctl $global_sysctl:tt)* ;
        )* })?
        vars { $(
            $(#[doc = $var_doc:literal])*
            $var_vis:vis $var:ident : $ty:ty $(= $default:expr)? $(, sysctl $sysctl:tt)* ;
        )* }
    }) => {
        $(#[doc = $doc])*
        #[allow(dead_code, unused_qualifications)]
        $module_vis mod $module {
            #[allow(unused_imports)]
            use super::*;

            const ID: $crate::ModuleId = $id;

            $crate::__storage! {
                $($(#[doc = $var_doc])* $var_vis $var : $ty = $crate::__initial!($ty $(, $default)?);)*
            }

            /// The declaration, for the registry.
            pub static MODULE: $crate::ModuleDef = {
                const PARTS: $crate::__private::ModuleParts = $crate::__private::ModuleParts {
                    id: ID,
                    name: stringify!($module),
                    doc: concat!($($doc, "\n"),*),
                    depends: &[$($depends),*],
                    attach: $crate::__option!($($attach)?),
                    unpublish: $crate::__option!($($unpublish)?),
                    drain: $crate::__option!($($drain)?),
                    detach: $crate::__option!($($detach)?),
                    vars: VARS,
                    globals: GLOBALS,
                    container: CONTAINER,
                };
                // SAFETY: variables and container are those of one declaration.
                unsafe { $crate::ModuleDef::new(PARTS) }
            };

            static VARS: &[$crate::VarDef] = &[$({
                $crate::__variable!(
                    $var, $ty, $crate::__initial!($ty $(, $default)?), Locations::$var(),
                    [$($var_doc),*], [$($sysctl)*]
                )
            }),*];

            static GLOBALS: &[$crate::VarDef] = &[$($({
                $crate::__variable!(
                    $global, $global_ty, $crate::__initial!($global_ty $(, $global_default)?),
                    ::core::ptr::from_ref($global()).cast(), [$($global_doc),*], [$($global_sysctl)*]
                )
            }),*)?];

            $($(
                $(#[doc = $global_doc])*
                $global_vis fn $global() -> &'static $global_ty {
                    static GLOBAL: $global_ty = $crate::__initial!($global_ty $(, $global_default)?);
                    &GLOBAL
                }
            )*)?

            impl ::core::fmt::Debug for Base<'_> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(concat!(stringify!($module), "::Base")).finish_non_exhaustive()
                }
            }
        }
    };
}

/// A variable's initial value.
#[doc(hidden)]
#[macro_export]
macro_rules! __initial {
    ($ty:ty) => {
        <$ty as $crate::Field>::INIT
    };
    ($ty:ty, $default:expr) => {
        <$ty>::new($default)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __option {
    () => {
        None
    };
    ($value:path) => {
        Some($value)
    };
}

/// Where the variables are: a function for each.
#[doc(hidden)]
#[macro_export]
macro_rules! __locations {
    ($($var:ident => $location:expr;)*) => {
        struct Locations;

        impl Locations {
            $(fn $var() -> *const u8 { $location })*
        }
    };
}

/// A variable with its type erased.
#[doc(hidden)]
#[macro_export]
macro_rules! __variable {
    ($var:ident, $ty:ty, $initial:expr, $location:expr, [$($doc:literal),*], [$($sysctl:tt)*]) => {{
        struct This;

        // SAFETY: the type and the location are those of the variable that the arm has declared.
        unsafe impl $crate::__private::Variable for This {
            type Type = $ty;
            const NAME: &'static str = stringify!($var);

            const DOC: &'static str = concat!($($doc, "\n"),*);
            const INITIAL: $ty = $initial;
            const SYSCTLS: &'static [$crate::sysctl::SysctlDef] = &[$($crate::__sysctl!($ty, $sysctl)),*];

            fn location() -> *const u8 {
                $location
            }
        }

        $crate::VarDef::of::<This>()
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sysctl {
    ($ty:ty, ($name:expr, $($flag:ident)|+, proc $handler:path, $descr:expr $(,)?)) => {{
        struct This;

        impl $crate::__private::Procedure for This {
            type Type = $ty;
            const HANDLER: $crate::sysctl::Handler<$ty> = $handler;
        }

        $crate::sysctl::SysctlDef::procedure::<This>($name, $crate::__flags!($($flag)+), $descr)
    }};
    ($ty:ty, ($name:expr, $($flag:ident)|+, $range:expr, $descr:expr $(,)?)) => {
        $crate::sysctl::SysctlDef::ranged::<$ty>($name, $crate::__flags!($($flag)+), $range, $descr)
    };
    ($ty:ty, ($name:expr, $($flag:ident)|+, $descr:expr $(,)?)) => {
        $crate::sysctl::SysctlDef::variable::<$ty>($name, $crate::__flags!($($flag)+), $descr)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __flags {
    ($($flag:ident)+) => {
        $crate::sysctl::Flags::NONE$(.union($crate::sysctl::Flags::$flag))+
    };
}
