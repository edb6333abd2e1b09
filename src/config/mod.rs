//! Stand-in for the configuration room until it lands: the structs and their defaults, flags only.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatter {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    Tcp,
    Unix,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub log: Log,
    pub storage: Storage,
    pub http: Http,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub formatter: Formatter,
    pub fields: BTreeMap<String, String>,
    pub accesslog: AccessLog,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub root: PathBuf,
    pub lockwait: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub addr: String,
    pub net: Net,
    pub socketmode: u32,
    pub host: Option<String>,
    pub prefix: String,
    pub headers: Vec<(String, String)>,
    pub draintimeout: Duration,
    pub debug: Debug,
    pub http2: Http2,
    pub h2c: H2c,
    pub idletimeout: Duration,
    pub headertimeout: Duration,
    pub keepalivetimeout: Duration,
    pub maxconnections: usize,
    pub maxheaderbytes: usize,
    pub waittimeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    pub addr: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2 {
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H2c {
    pub enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            log: Log {
                level: Level::Info,
                formatter: Formatter::Text,
                fields: BTreeMap::new(),
                accesslog: AccessLog { disabled: false },
            },
            storage: Storage {
                root: PathBuf::from("holdfast-data"),
                lockwait: Duration::from_secs(30),
            },
            http: Http {
                addr: "127.0.0.1:5000".to_owned(),
                net: Net::Tcp,
                socketmode: 0o660,
                host: None,
                prefix: "/".to_owned(),
                headers: Vec::new(),
                draintimeout: Duration::from_secs(8),
                debug: Debug { addr: None },
                http2: Http2 { disabled: false },
                h2c: H2c { enabled: false },
                idletimeout: Duration::from_secs(900),
                headertimeout: Duration::from_secs(30),
                keepalivetimeout: Duration::from_secs(900),
                maxconnections: 16384,
                maxheaderbytes: 64 * 1024,
                waittimeout: Duration::from_secs(10),
            },
        }
    }
}

pub struct Flags {
    pub addr: Option<String>,
    pub root: Option<PathBuf>,
}

pub struct Sources<E> {
    pub file: Option<PathBuf>,
    pub environment: E,
    pub flags: Flags,
}

pub struct Loaded {
    pub config: Config,
    pub notes: Vec<String>,
}

impl Config {
    pub fn load<E: Iterator<Item = (String, String)>>(
        sources: Sources<E>,
    ) -> Result<Loaded, String> {
        let mut config = Config::default();
        if let Some(addr) = sources.flags.addr {
            config.http.addr = addr;
        }
        if let Some(root) = sources.flags.root {
            config.storage.root = root;
        }
        Ok(Loaded {
            config,
            notes: Vec::new(),
        })
    }
}
