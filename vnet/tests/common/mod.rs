//! The parts that the tests share: a laboratory with a domain and vnets, and modules that write down when their hooks run.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test binary uses a part")]

use std::alloc::{GlobalAlloc, System};
use std::cell::{Cell, RefCell};

use vnet::{AttachError, Control, Domain, ModuleDef, Registry, VnetRef, Vnets};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static REFUSES: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The hooks that have run on this thread since the last call.
pub(crate) fn take_log() -> Vec<String> {
    LOG.take()
}

/// From now on, the attach function of `module` refuses.
pub(crate) fn refuse(module: Option<&'static str>) {
    REFUSES.set(module);
}

/// Notes that a hook runs, and that it runs with its vnet as curvnet.
pub(crate) fn note(hook: &str, module: &str, vnet: &VnetRef, control: &Control) {
    let current = vnet::curvnet::get(control.reader()).map(vnet::Vnet::name);
    assert_eq!(current, Some(vnet.name()), "hooks run with curvnet set");
    LOG.with_borrow_mut(|log| log.push(format!("{hook} {module} {}", vnet.name())));
}

/// The rest of an attach function after it has noted that it runs.
pub(crate) fn consent(module: &str) -> Result<(), AttachError> {
    match REFUSES.get() {
        Some(refuses) if refuses == module => {
            Err(AttachError::new(format!("{module} was told to refuse: tell it not to")))
        }
        _ => Ok(()),
    }
}

/// A module with one variable of each kind, whose hooks write themselves down. It is `NAME::NAME`.
macro_rules! logged_module {
    ($name:ident, $label:literal, $id:expr, [$($depends:expr),*]) => {
        pub(crate) mod $name {
            use vnet::{AttachError, Control, VnetRef};

            vnet::module! {
                /// A test module.
                pub mod $name {
                    id: $id,
                    depends: [$($depends),*],
                    attach: super::attach,
                    unpublish: super::unpublish,
                    drain: super::drain,
                    detach: super::detach,
                    vars {
                        /// A number.
                        pub number: vnet::SysctlInt = 7,
                            sysctl(concat!("test.", $label, ".number"), RW, 0..=100, "A number");
                        /// A statistic for each worker.
                        pub count: vnet::PerWorker<vnet::Counter>;
                        /// The state that workers read.
                        pub shared: vnet::Published<std::sync::Arc<u64>>;
                        /// The state that control keeps.
                        pub state: vnet::ControlCell<Vec<u8>>;
                    }
                }
            }

            fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
                $crate::common::note("attach", $label, vnet, control);
                $crate::common::consent($label)?;
                $name::init(vnet).count().alloc(control.slots());
                $name::init(vnet).state().with(control, |state| *state = Some(Box::new(vec![1; 100])));
                Ok(())
            }

            fn unpublish(vnet: &VnetRef, control: &mut Control) {
                $crate::common::note("unpublish", $label, vnet, control);
            }

            fn drain(vnet: &VnetRef, control: &mut Control) {
                $crate::common::note("drain", $label, vnet, control);
            }

            fn detach(vnet: &VnetRef, control: &mut Control) {
                $crate::common::note("detach", $label, vnet, control);
                control.publish($name::init(vnet).shared(), None);
                $name::init(vnet).state().with(control, |state| *state = None);
            }
        }
    };
}
pub(crate) use logged_module;

logged_module!(net, "net", vnet::ModuleId::NET, []);
logged_module!(inet, "inet", vnet::ModuleId::INET, [vnet::ModuleId::NET]);
logged_module!(ipfw, "ipfw", vnet::ModuleId::IPFW, [vnet::ModuleId::INET, vnet::ModuleId::NET]);

/// The three modules, in no good order.
pub(crate) fn modules() -> [&'static ModuleDef; 3] {
    [&ipfw::ipfw::MODULE, &net::net::MODULE, &inet::inet::MODULE]
}

/// A domain and vnets, on one thread. In the static arms, a test has to wait for its turn.
pub(crate) struct Lab {
    pub(crate) vnets: Vnets,
    pub(crate) control: Control,
    pub(crate) domain: Domain,
    _turn: vnet::testing::Turn,
}

impl Lab {
    pub(crate) fn new(workers: usize) -> Self {
        Self::with(workers, &modules(), &System)
    }

    pub(crate) fn with(
        workers: usize,
        modules: &[&'static ModuleDef],
        allocator: &'static (dyn GlobalAlloc + Sync),
    ) -> Self {
        let turn = vnet::testing::turn();
        let domain = Domain::new(workers);
        let control = domain.control().expect("a new domain");
        let mut registry = Registry::new();
        for module in modules {
            registry.register(module).expect("a good module");
        }
        Self { vnets: Vnets::new(registry, &control, allocator), control, domain, _turn: turn }
    }

    pub(crate) fn create(&mut self, name: &str) -> VnetRef {
        self.vnets.create(&mut self.control, name).expect("a good name")
    }

    pub(crate) fn reclaim(&mut self) {
        self.vnets.reclaim(&mut self.control);
    }
}

/// Whether this build can have several vnets.
pub(crate) const MANY: bool = Vnets::MAX_VNETS > 1;
