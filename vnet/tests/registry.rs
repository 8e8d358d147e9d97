//! Registration: order, parking, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Lab, MANY, inet, ipfw, logged_module, net, refuse, take_log};
use proptest::prelude::*;
use vnet::{ModuleDef, ModuleId, RegisterError, Registry};

mod shapes {
    //! Declarations without hooks and variables, for their ids and dependencies alone.

    macro_rules! shape {
        ($name:ident, $id:literal, [$($depends:literal),*]) => {
            vnet::module! {
                /// A shape.
                pub mod $name {
                    id: vnet::ModuleId::new($id),
                    depends: [$(vnet::ModuleId::new($depends)),*],
                    vars {}
                }
            }
        };
    }

    // A diamond with a tail, an isolated one, and a wide one.
    shape!(top, 30, []);
    shape!(left, 31, [30]);
    shape!(right, 32, [30]);
    shape!(bottom, 33, [31, 32]);
    shape!(tail, 34, [33]);
    shape!(alone, 35, []);
    shape!(wide, 63, [30, 34, 35]);
    // A cycle of three that also leans on the diamond.
    shape!(one, 40, [30, 41]);
    shape!(two, 41, [42]);
    shape!(three, 42, [35, 40]);
    // Faulty ones.
    shape!(self_dependent, 50, [50]);
    shape!(too_high, 64, []);
    shape!(leans_too_high, 51, [200]);
    shape!(same_id, 30, []);
    shape!(orphan, 52, [53]);
    pub(crate) mod elsewhere {
        shape!(top, 54, []);
    }

    vnet::module! {
        /// Two sysctls of one name, in two modules.
        pub mod names {
            id: vnet::ModuleId::new(55),
            depends: [],
            vars {
                /// A leaf.
                pub leaf: vnet::SysctlInt = 0, sysctl("node.leaf", RW, 0..=1, "A leaf");
            }
        }
    }
    vnet::module! {
        /// A leaf where the other has a node.
        pub mod node_is_leaf {
            id: vnet::ModuleId::new(56),
            depends: [],
            vars {
                /// Good.
                pub good: vnet::SysctlInt = 0, sysctl("other", RW, "Good");
                /// Bad.
                pub bad: vnet::SysctlInt = 0, sysctl("node", RW, "Bad");
            }
        }
    }
}
use shapes as s;

const GOOD: [&ModuleDef; 7] = [
    &s::top::MODULE,
    &s::left::MODULE,
    &s::right::MODULE,
    &s::bottom::MODULE,
    &s::tail::MODULE,
    &s::alone::MODULE,
    &s::wide::MODULE,
];

fn ids<'a>(modules: impl Iterator<Item = &'a ModuleDef>) -> Vec<usize> {
    modules.map(|module| module.id().index()).collect()
}

proptest! {
    /// In whatever order they are registered, a module stands after those that it depends on, and none is left out.
    #[test]
    fn modules_attach_after_their_dependencies(order in Just(GOOD.to_vec()).prop_shuffle()) {
        let mut registry = Registry::new();
        for (count, module) in order.iter().enumerate() {
            registry.register(module).unwrap();
            prop_assert_eq!(registry.modules().len() + registry.parked().len(), count + 1);
            let ready: Vec<&ModuleDef> = registry.modules().collect();
            for (position, module) in ready.iter().enumerate() {
                for dependency in module.depends() {
                    prop_assert!(ready[..position].iter().any(|earlier| earlier.id() == *dependency));
                }
            }
            for parked in registry.parked() {
                let missing = |id: &ModuleId| !ready.iter().any(|module| module.id() == *id);
                prop_assert!(parked.depends().iter().any(missing), "only those wait that have to");
            }
        }
        prop_assert!(registry.check().is_ok());
    }

    /// In any order, the last of the three closes the cycle and is refused, and the registry stays as it was.
    #[test]
    fn cycles_are_refused(
        order in Just(vec![&s::one::MODULE, &s::two::MODULE, &s::three::MODULE, &s::top::MODULE, &s::alone::MODULE])
            .prop_shuffle()
    ) {
        let mut registry = Registry::new();
        let refused: Vec<RegisterError> =
            order.iter().filter_map(|module| registry.register(module).err()).collect();
        prop_assert_eq!(refused.len(), 1);
        let RegisterError::Cycle { path, .. } = &refused[0] else { panic!("{refused:?}") };
        prop_assert_eq!(path.first(), path.last());
        prop_assert_eq!(path.len(), 4);
        let text = refused[0].to_string();
        prop_assert!(text.contains("depends on itself") && text.contains("40"), "{}", text);
        prop_assert_eq!(registry.parked().len(), 2, "the other two wait for the third");
    }
}

#[test]
fn faulty_modules_are_refused_with_a_cause() {
    let mut registry = Registry::new();
    registry.register(&s::top::MODULE).unwrap();
    let refused = |registry: &mut Registry, module| registry.register(module).unwrap_err();

    assert!(matches!(
        refused(&mut registry, &s::top::MODULE),
        RegisterError::DuplicateId { other: "top", .. }
    ));
    assert!(matches!(
        refused(&mut registry, &s::same_id::MODULE),
        RegisterError::DuplicateId { .. }
    ));
    assert!(matches!(
        refused(&mut registry, &s::elsewhere::top::MODULE),
        RegisterError::DuplicateName { .. }
    ));
    assert!(matches!(
        refused(&mut registry, &s::self_dependent::MODULE),
        RegisterError::Cycle { .. }
    ));
    assert!(matches!(
        refused(&mut registry, &s::too_high::MODULE),
        RegisterError::IdTooHigh { .. }
    ));
    let text = refused(&mut registry, &s::leans_too_high::MODULE).to_string();
    assert!(text.contains("200") && text.contains("below 64"), "{text}");
    assert_eq!(ids(registry.modules()), [30]);
    assert_eq!(registry.parked().len(), 0);
}

#[test]
fn unknown_dependencies_are_named() {
    let mut registry = Registry::new();
    registry.register(&s::orphan::MODULE).unwrap();
    let Err(RegisterError::UnknownDependency { module: "orphan", dependency }) = registry.check()
    else {
        panic!("{:?}", registry.check());
    };
    assert_eq!(dependency, ModuleId::new(53));
}

#[test]
fn sysctl_names_are_unique_and_either_node_or_leaf() {
    let mut registry = Registry::new();
    registry.register(&s::names::MODULE).unwrap();
    let error = registry.register(&s::node_is_leaf::MODULE).unwrap_err();
    assert!(matches!(error, RegisterError::DuplicateSysctl { other: "node.leaf", .. }));
    assert!(registry.sysctl().find("other").is_err(), "none of a refused module's sysctls stays");
}

#[test]
fn ids_are_those_of_freebsd() {
    let ids = [
        ModuleId::NET,
        ModuleId::NETGRAPH,
        ModuleId::INET,
        ModuleId::INET6,
        ModuleId::IPSEC,
        ModuleId::IPFW,
    ];
    assert_eq!(ids.map(ModuleId::index), [0, 1, 2, 3, 4, 5]);
    assert_eq!(ModuleId::INET6.to_string(), "INET6 (3)");
}

#[test]
fn the_symbol_map_has_every_variable() {
    let lab = Lab::new(1);
    let symbols: Vec<_> = lab.vnets.registry().symbols().collect();
    assert_eq!(symbols.len(), 12, "four variables in each of three modules");
    let number =
        symbols.iter().find(|symbol| symbol.module == "inet" && symbol.name == "number").unwrap();
    assert_eq!(number.size, 4);
    assert!(number.type_name.ends_with("SysctlInt"), "{}", number.type_name);
    assert_eq!(number.doc.trim(), "A number.");
    for module in ["net", "inet", "ipfw"] {
        let mut places: Vec<_> = symbols
            .iter()
            .filter(|symbol| symbol.module == module)
            .map(|s| (s.offset, s.size))
            .collect();
        places.sort_unstable();
        assert!(
            places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0),
            "variables overlap: {places:?}"
        );
    }
}

logged_module!(late, "late", vnet::ModuleId::new(20), [vnet::ModuleId::new(21)]);
logged_module!(later, "later", vnet::ModuleId::new(21), [vnet::ModuleId::NET]);

#[test]
fn modules_can_come_after_vnets() {
    let mut lab = Lab::with(1, &[&net::net::MODULE], &std::alloc::System);
    let red = lab.create("red");
    let _created = take_log();

    lab.vnets.register(&mut lab.control, &late::late::MODULE).unwrap();
    assert_eq!(take_log(), [""; 0], "it waits for its dependency");
    refuse(Some("late"));
    let bytes = red.container_bytes();
    let error = lab.vnets.register(&mut lab.control, &later::later::MODULE).unwrap_err();
    assert!(matches!(error, RegisterError::Attach { module: "late", .. }), "{error:?}");
    refuse(None);
    let first = lab.vnets.vnet0().unwrap().name().to_owned();
    assert_eq!(
        take_log(),
        ["attach later", "attach late", "detach later"].map(|hook| format!("{hook} {first}"))
    );
    assert_eq!(lab.vnets.registry().parked().len(), 1, "as if it had never come");
    assert_eq!(red.container_bytes(), bytes, "its variables are gone, too");

    lab.vnets.register(&mut lab.control, &later::later::MODULE).unwrap();
    let red_log: Vec<_> = take_log().into_iter().filter(|line| line.ends_with("red")).collect();
    assert_eq!(red_log, ["attach later red", "attach late red"]);
    assert_eq!(late::late::init(&red).number().get(), 7);
    let tree = lab.vnets.registry().sysctl();
    assert_eq!(tree.get(&mut lab.control, Some(&red), "test.late.number").unwrap(), 7.into());
    drop(red);
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
}

/// Another module with the id of `later`.
mod usurper {
    vnet::module! {
        /// Comes where another was refused.
        pub mod usurper {
            id: vnet::ModuleId::new(21),
            depends: [],
            vars {
                /// Larger than anything in the other one.
                pub bytes: vnet::SysctlOpaque<4096>;
            }
        }
    }
}

#[test]
fn a_refused_module_leaves_its_id_to_another() {
    let mut lab = Lab::with(0, &[&net::net::MODULE], &std::alloc::System);
    let red = lab.create("red");
    for _again in 0..3 {
        refuse(Some("later"));
        let _error = lab.vnets.register(&mut lab.control, &later::later::MODULE).unwrap_err();
        refuse(None);
    }
    lab.vnets.register(&mut lab.control, &usurper::usurper::MODULE).unwrap();
    assert_eq!(usurper::usurper::init(&red).bytes().get(), [0; 4096]);
    drop(red);
    assert_eq!(lab.vnets.shutdown(&mut lab.control), 0);
}

/// Registered after a vnet was destroyed and before its modules are detached: that vnet never had it.
#[test]
fn a_dying_vnet_gets_no_new_modules() {
    if !MANY {
        return;
    }
    let mut lab = Lab::with(1, &[&net::net::MODULE], &std::alloc::System);
    let red = lab.create("red");
    let mut worker = lab.domain.reader(0).unwrap();
    lab.vnets.destroy(&mut lab.control, red.id()).unwrap();
    drop(red);
    lab.vnets.register(&mut lab.control, &later::later::MODULE).unwrap();
    let _attached_to_vnet0 = take_log();
    worker.quiescent();
    lab.reclaim();
    assert_eq!(take_log(), ["drain net red", "detach net red"]);
    worker.quiescent();
    lab.reclaim();
    assert_eq!(lab.vnets.dying(), 0);
}

#[test]
fn a_module_that_a_vnet_lacks_is_an_error_and_not_a_wrong_pointer() {
    let mut lab = Lab::with(1, &[&net::net::MODULE], &std::alloc::System);
    let red = lab.create("red");
    if vnet::ARM == "vimage" {
        let base = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            inet::inet::init(&red).number().get()
        }));
        assert!(base.is_err());
    } else {
        assert_eq!(
            inet::inet::init(&red).number().get(),
            7,
            "its variables exist, with their initial values"
        );
    }
    let _used_elsewhere = (&ipfw::ipfw::MODULE, &red);
}

/// Another module with the id of `inet`, in another registry of the same process.
mod impostor {
    vnet::module! {
        /// Not IPv4.
        pub mod inet {
            id: vnet::ModuleId::INET,
            depends: [],
            vars {
                /// Larger than anything in the real one.
                pub bytes: vnet::SysctlOpaque<4096>;
            }
        }
    }
}

#[test]
fn containers_of_another_module_with_the_same_id_are_not_mistaken() {
    let mut lab = Lab::new(1);
    let red = lab.create("red");
    if vnet::ARM == "vimage" {
        let mistaken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            impostor::inet::init(&red).bytes().get()
        }));
        assert!(mistaken.is_err(), "the header says whose the container is");
    } else {
        assert_eq!(impostor::inet::init(&red).bytes().get(), [0; 4096]);
    }
}
