//! `port.*`

use config::PortWish;

use super::{Answered, Service, done};
use crate::control::Caller;
use crate::host;
use crate::ports::OpenPort;
use crate::protocol::{Answer, Code, PAGE, Page, PortLine, Refusal};

impl Service<'_> {
    /// In the order of their names. One port may carry thousands of interfaces: a page ends with the one that fills it.
    pub(super) fn port_list(&self, after: Option<&str>) -> Answer {
        let behind = |open: &&OpenPort| after.is_none_or(|after| open.port.name() > after);
        let mut ports: Vec<&OpenPort> = self.ports.iter().filter(behind).collect();
        ports.sort_unstable_by_key(|open| open.port.name());
        let (mut list, mut carried): (Vec<PortLine>, _) = (Vec::new(), 0);
        for open in ports {
            if carried >= PAGE {
                let next = list.last().map(|last| last.name.as_str().into());
                return Answer::Ports(Page { list, next });
            }
            let line = self.port_line(open);
            carried += line.interfaces.len();
            list.push(line);
        }
        Answer::Ports(Page::only(list))
    }

    fn port_line(&self, open: &OpenPort) -> PortLine {
        let OpenPort { port, config, facts, .. } = open;
        let link = port.link();
        PortLine {
            name: port.name().to_owned(),
            device: config.device.to_string(),
            driver: port.driver_name().to_owned(),
            link: link.up,
            speed_mbps: link.speed_mbps,
            mac: port.mac().to_string(),
            mtu: facts.mtu,
            queues: port.queues(),
            descriptors: port.descriptors(),
            interfaces: self
                .stack
                .interfaces_on(facts.id)
                .into_iter()
                .map(|(_, name)| name)
                .collect(),
        }
    }

    pub(super) fn port_attach(&mut self, wish: PortWish, caller: &Caller<'_>) -> Answered {
        let port = self.judge(wish, caller)?;
        self.ports.attach(&port, self.stack, self.workers)?;
        Ok(done())
    }

    pub(super) fn port_workers(
        &mut self,
        name: &str,
        workers: Vec<i64>,
        caller: &Caller<'_>,
    ) -> Answered {
        let port = self.judge(self.ports.polled_by(name, workers)?, caller)?;
        self.ports.place(name, &port.workers.unwrap_or_default(), self.workers)?;
        Ok(done())
    }

    /// Checks a port by the rules of a file of the client's.
    fn judge(&self, wish: PortWish, caller: &Caller<'_>) -> Result<config::Port, Refusal> {
        let facts = host::facts();
        let facts = facts.map_err(|error| Refusal::new(Code::Refused, format!("{error:#}"), ""))?;
        // DPDK knows by now which drivers it has loaded, and says so.
        let drivers = std::collections::BTreeSet::new();
        let facts = config::Host { drivers, devices: self.device_access(caller), ..facts };
        config::port(wish, self.workers.len(), &facts).map_err(|errors| {
            // The first is enough for a request of one line.
            let first = errors.report().diagnostics().first();
            let (text, cure) = first.map_or((String::new(), ""), |first| {
                let label = first.label.as_ref().map_or("", |label| &label.text);
                (format!("{}: {label}", first.message), &first.cure)
            });
            let code = match first.map(|first| first.rule) {
                Some(config::Rule::DeviceDenied) => Code::Denied,
                _ => Code::BadRequest,
            };
            Refusal::new(code, text, cure)
        })
    }

    pub(super) fn port_detach(&mut self, name: &str, force: bool) -> Answered {
        self.ports.detach(name, force, self.stack, self.workers)?;
        Ok(done())
    }
}
