//! How a crate without unsafe code declares modules, creates a vnet, enters it and reads variables from a worker.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;

use vnet::{Domain, Registry, Vnets, curvnet};

mod net {
    /// The state that control keeps.
    #[derive(Debug, Default)]
    pub(crate) struct IfList {
        pub(crate) names: Vec<&'static str>,
    }

    mod module {
        vnet::module! {
            /// Interfaces.
            pub mod net {
                id: vnet::ModuleId::NET,
                depends: [],
                attach: crate::net::attach,
                detach: crate::net::detach,
                globals {
                    /// Most interfaces of the process.
                    pub maxifs: vnet::SysctlInt = 64, sysctl("net.link.maxifs", RW, 1..=4096, "Most interfaces");
                }
                vars {
                    /// Why packets were not delivered.
                    pub drops: vnet::PerWorker<vnet::Counter>;
                    /// The interfaces.
                    pub interfaces: vnet::ControlCell<crate::net::IfList>;
                    /// The state that workers read.
                    pub table: vnet::Published<Vec<u32>>;
                }
            }
        }
    }
    pub(crate) use module::net as vnet_net;

    fn attach(vnet: &vnet::VnetRef, control: &mut vnet::Control) -> Result<(), vnet::AttachError> {
        let net = vnet_net::init(vnet);
        net.drops().alloc(control.slots());
        net.interfaces().with(control, |list| *list = Some(Box::default()));
        Ok(())
    }

    fn detach(vnet: &vnet::VnetRef, control: &mut vnet::Control) {
        let net = vnet_net::init(vnet);
        net.interfaces().with(control, |list| *list = None);
        control.publish(net.table(), None);
    }
}

mod inet_module {
    use vnet::sysctl::Request;
    use vnet::{SysctlError, SysctlInt, Value};

    vnet::module! {
        /// IPv4.
        pub mod inet {
            id: vnet::ModuleId::INET,
            depends: [vnet::ModuleId::NET],
            vars {
                /// Forward packets between interfaces.
                pub ipforwarding: vnet::SysctlInt = 0,
                    sysctl("net.inet.ip.forwarding", RW, 0..=1, "Enable IP forwarding between interfaces");
                /// The host's name.
                pub hostname: vnet::SysctlStr = "amnesiac", sysctl("kern.hostname", RW, "Hostname");
                /// A number that a procedure doubles.
                pub doubled: vnet::SysctlInt = 4, sysctl("net.inet.doubled", RW, proc double, "Doubled");
            }
        }
    }

    fn double(variable: &SysctlInt, request: &mut Request<'_>) -> Result<Value, SysctlError> {
        let old = variable.get();
        if let Some(new) = request.new.take() {
            let new = new.as_number().and_then(|new| i32::try_from(new * 2).ok());
            variable.set(
                new.ok_or_else(|| SysctlError::refused("it does not fit: give a smaller number"))?,
            );
        }
        Ok(Value::Int(old))
    }
}
use inet_module::inet as vnet_inet;
use net::vnet_net;

#[test]
fn a_worker_reads_what_control_publishes() {
    let _turn = vnet::testing::turn();
    let domain = Domain::new(1);
    let mut control = domain.control().unwrap();
    let mut registry = Registry::new();
    registry.register(&vnet_inet::MODULE).unwrap(); // parked until `net` is there
    registry.register(&vnet_net::MODULE).unwrap();
    registry.check().unwrap();
    let mut vnets = Vnets::new(registry, &control, &System);
    let red = vnets.create(&mut control, "red").unwrap();

    control.publish(vnet_net::init(&red).table(), Some(Box::new(vec![1, 2, 3])));
    let _old = vnets
        .registry()
        .sysctl()
        .set(&mut control, Some(&red), "net.inet.ip.forwarding", vnet::Value::Int(1))
        .unwrap();

    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut reader = domain.reader(0).unwrap();
            let guard = curvnet::set(&reader, &red);
            let (net, inet) = (vnet_net::cur(&reader), vnet_inet::cur(&reader));
            assert_eq!(inet.ipforwarding().get(), 1);
            assert_eq!(net.table().load(&reader).unwrap().len(), 3);
            net.drops().get(&reader).inc();
            drop(guard);
            reader.quiescent();
        });
        worker.join().unwrap();
    });

    let net = vnet_net::init(&red);
    assert_eq!(net.drops().iter(control.reader()).map(vnet::Counter::get).sum::<u64>(), 1);
    net.interfaces().with(&control, |list| list.as_mut().unwrap().names.push("em0"));
    let tree = vnets.registry().sysctl();
    assert_eq!(tree.get(&mut control, Some(&red), "kern.hostname").unwrap(), "amnesiac".into());
    assert_eq!(
        tree.set(&mut control, Some(&red), "net.inet.doubled", 21.into()).unwrap(),
        4.into()
    );
    assert_eq!(vnet_inet::init(&red).doubled().get(), 42);
    assert_eq!(tree.set(&mut control, None, "net.link.maxifs", 65.into()).unwrap(), 64.into());
    assert_eq!(vnet_net::maxifs().get(), 65);
    drop(red);
    assert_eq!(vnets.shutdown(&mut control), 0, "nothing is left");
}
