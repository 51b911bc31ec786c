//! A real Chromium for tests, Debian's or any that is found: one for a test process, headless, spoken to
//! in the DevTools protocol over two pipes, so that it needs no port and ends when this process does.
//! Each page has a profile of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// What a machine without a browser is told.
const MISSING: &str = "Chromium is missing, and the tests of the page need it: install it (Debian: \
                       apt-get install chromium) or name its program in CHROMIUM";

/// Longer than anything takes on a busy machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// It runs as root in a container without a graphics card, and asks nobody but the page's own host.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

struct Browser {
    commands: Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    /// What pages complained of, by their session.
    complaints: Mutex<HashMap<String, Vec<String>>>,
    /// Ends with the pipes that this process holds.
    #[expect(dead_code, reason = "what counts is that it is held")]
    shell: Mutex<Child>,
}

/// A page in a profile of its own.
pub struct Page {
    session: String,
    target: String,
}

/// Where the pictures go: `target/tmp/screenshots`.
pub fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots")
}

/// The browser that all tests of this process share.
fn browser() -> &'static Browser {
    static SHARED: OnceLock<&'static Browser> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (browser, events) = Browser::start();
        let browser: &'static Browser = Box::leak(Box::new(browser));
        std::thread::spawn(move || browser.listen(events));
        browser
    })
}

impl Browser {
    fn start() -> (Browser, ChildStdout) {
        let program = program().expect(MISSING);
        let folder = tempfile::Builder::new().prefix("undertone-chromium-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        // Chromium reads commands from the descriptor 3 and writes to 4. Once it has ended, its folder goes.
        let script = r#"folder=$1; shift; "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$folder/log"; rm -rf "$folder""#;
        let mut shell = Command::new("sh")
            .args(["-c", script, "chromium"])
            .arg(&folder)
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let commands = Mutex::new(shell.stdin.take().expect("it is piped"));
        let events = shell.stdout.take().expect("it is piped");
        let browser = Browser {
            commands,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            complaints: Mutex::default(),
            shell: Mutex::new(shell),
        };
        (browser, events)
    }

    /// Hands out what the browser says, to its end.
    fn listen(&self, events: ChildStdout) {
        for message in BufReader::new(events).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice::<Value>(&message) else { continue };
            match message["id"].as_u64() {
                Some(id) => {
                    let waiting =
                        self.waiting.lock().expect("no holder of this lock panics").remove(&id);
                    let _ = waiting.map(|sender| sender.send(message));
                }
                None => self.note(&message),
            }
        }
        // Whoever waits hears of the end by the loss of the sender.
        self.waiting.lock().expect("no holder of this lock panics").clear();
    }

    /// Keeps what a page complains of: errors and warnings of its console, exceptions, requests that
    /// failed, breaches of its policy.
    fn note(&self, message: &Value) {
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                let details = &parameters["exceptionDetails"];
                format!("exception: {} {}", details["text"], details["exception"]["description"])
            }
            Some("Runtime.consoleAPICalled") if is_grave(&parameters["type"]) => {
                format!("console: {}", parameters["args"])
            }
            Some("Log.entryAdded") if is_grave(&parameters["entry"]["level"]) => {
                format!("log: {} {}", parameters["entry"]["text"], parameters["entry"]["url"])
            }
            _ => return,
        };
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        let mut all = self.complaints.lock().expect("no holder of this lock panics");
        all.entry(session).or_default().push(complaint);
    }

    async fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let answer = self.ask(session, method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().expect("no holder of this lock panics").insert(id, sender);
        let mut line = message.to_string().into_bytes();
        line.push(0);
        {
            let mut commands = self.commands.lock().expect("no holder of this lock panics");
            commands.write_all(&line).and_then(|()| commands.flush()).expect("Chromium runs");
        }
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer"));
        let answer = answer.unwrap_or_else(|_| panic!("{method}: Chromium has ended"));
        match &answer["error"] {
            Value::Null => Ok(answer["result"].clone()),
            error => Err(error.clone()),
        }
    }
}

fn is_grave(level: &Value) -> bool {
    matches!(level.as_str(), Some("error" | "warning" | "assert"))
}

/// The program: what `CHROMIUM` names, else the first that PATH has.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|program| program.is_file())
    };
    named.or_else(found)
}

impl Page {
    /// An empty page, as wide as that, which prefers `light` or `dark`.
    pub async fn open(width: u32, scheme: &str) -> Page {
        let browser = browser();
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let context = browser.call(None, "Target.createBrowserContext", json!({})).await;
        let wanted = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = text(&browser.call(None, "Target.createTarget", wanted).await["targetId"]);
        let attach = json!({"targetId": target, "flatten": true});
        let session = browser.call(None, "Target.attachToTarget", attach).await;
        let page = Page { session: text(&session["sessionId"]), target };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        page.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
        page.resize(width, 900).await;
        page
    }

    pub async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn call(&self, method: &str, parameters: Value) -> Value {
        browser().call(Some(&self.session), method, parameters).await
    }

    /// Goes there, and waits until the page and its scripts are loaded.
    pub async fn goto(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({"url": url})).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.until("document.readyState === 'complete'").await;
    }

    /// What a script comes to, a promise's value too, as JSON.
    pub async fn run(&self, script: &str) -> Value {
        self.attempt(script).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Fails as well where the page is on its way to another one.
    async fn attempt(&self, script: &str) -> Result<Value, Value> {
        let asked = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = browser().ask(Some(&self.session), "Runtime.evaluate", asked).await?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].clone()),
            details => Err(details.clone()),
        }
    }

    /// Waits until a script comes to something true, and returns that.
    pub async fn until(&self, script: &str) -> Value {
        let start = Instant::now();
        loop {
            let value = self.attempt(script).await.unwrap_or_default();
            if !matches!(value, Value::Null | Value::Bool(false))
                && value != json!("")
                && value != 0
            {
                return value;
            }
            if start.elapsed() > PATIENCE {
                let text = self.run("document.body.innerText").await;
                panic!(
                    "never: {script}\n{:?}\n{}",
                    self.complaints(),
                    text.as_str().unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let found =
            self.run(&format!("document.querySelector({}).innerText", json!(selector))).await;
        found.as_str().expect("an element has text").to_owned()
    }

    /// Clicks in the middle of the first element that a selector finds, as a mouse does.
    pub async fn click(&self, selector: &str) {
        let place = self
            .until(&format!(
                "(() => {{ const e = document.querySelector({}); if (!e) return null; \
                 e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); \
                 return r.width && [r.x + r.width / 2, r.y + r.height / 2]; }})()",
                json!(selector)
            ))
            .await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types into what has the focus.
    pub async fn write(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowRight`, ` `.
    pub async fn press(&self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            " " => 32,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => panic!("no code is known of {key}"),
        };
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// A picture of the whole page, under `target/tmp/screenshots`.
    pub async fn picture(&self, name: &str) {
        let size = self.call("Page.getLayoutMetrics", json!({})).await["cssContentSize"].clone();
        let clip =
            json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        let asked = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.call("Page.captureScreenshot", asked).await;
        let data = picture["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        std::fs::create_dir_all(screenshots()).expect("target can be written");
        std::fs::write(screenshots().join(format!("{name}.png")), bytes)
            .expect("target can be written");
    }

    /// What the page has complained of so far.
    pub fn complaints(&self) -> Vec<String> {
        let all = browser().complaints.lock().expect("no holder of this lock panics");
        all.get(&self.session).cloned().unwrap_or_default()
    }

    pub async fn close(self) {
        browser().call(None, "Target.closeTarget", json!({"targetId": self.target})).await;
    }
}
