//! The local page: its HTTP interface as a browser uses it, and a click path in a real browser.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use edgeplan_tests::edgeplan;
use serde_json::{Value, json};

/// `edgeplan ui` on a free port; ended when dropped.
struct Page {
    child: Child,
    address: String,
}

impl Page {
    fn start() -> Self {
        let mut child = Command::new(edgeplan())
            .args(["ui", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("edgeplan starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }

    /// Status, head and body of a request with these lines of header.
    fn ask(&self, first: &str, header: &[&str], body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
        let length = body.len();
        let mut head = format!("{first} HTTP/1.1\r\nConnection: close\r\n");
        head += &format!("Content-Length: {length}\r\n");
        head.extend(header.iter().map(|line| format!("{line}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused body need not be read.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), answer[end..].to_vec())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Vec<u8>) {
        let host = format!("Host: {}", self.address);
        let header = [host.as_str(), "Content-Type: application/json"];
        let (status, _, answer) =
            self.ask(&format!("POST {path}"), &header, body.to_string().as_bytes());
        (status, answer)
    }

    fn json(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    /// The one message of a refused request.
    fn refused(&self, path: &str, body: &Value) -> String {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 422, "{path}: {}", String::from_utf8_lossy(&answer));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["error"].as_str().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let host = format!("Host: {}", self.address);
        self.ask(&format!("GET {path}"), &[&host], b"")
    }

    /// The example's question.
    fn example(&self) -> Value {
        let (status, _, offers) = self.get("/api/offers");
        assert_eq!(status, 200);
        let offers: Value = serde_json::from_slice(&offers).unwrap();
        assert!(offers["devices"].as_array().unwrap().len() > 100);
        json!({ "model": offers["model"], "cluster": offers["cluster"] })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_is_whole_and_may_load_nothing_from_elsewhere() {
    let page = Page::start();
    let (status, head, html) = page.get("/");
    let html = String::from_utf8(html).unwrap();
    assert_eq!(status, 200);
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    for file in ["/style.css", "/page.js"] {
        assert!(html.contains(file), "{html}");
        let (status, _, text) = page.get(file);
        assert!(status == 200 && !text.is_empty(), "{file}");
    }
    for file in ["/state.js", "/map.js", "/answer.js"] {
        let text = String::from_utf8(page.get(file).2).unwrap();
        assert!(!text.contains("innerHTML") && !text.contains("https://"), "{file}");
    }
    assert_eq!(page.get("/etc/passwd").0, 404);
}

#[test]
fn a_question_gets_its_plan_with_a_picture_and_policies() {
    let page = Page::start();
    let question = page.example();
    let view = page.json("/api/plan", &question);
    assert_eq!(view["verdict"], "optimal");
    assert!(view["said"][0].as_str().unwrap().contains("tokens/s"), "{view}");
    assert!(view["picture"].as_str().unwrap().starts_with("<svg"));
    assert!(view["plan"].as_str().unwrap().contains("edgeplan-plan/1"), "{}", view["plan"]);
    let policies = view["policies"].as_array().unwrap();
    assert!(policies.iter().all(|policy| policy["ratio"].as_f64().is_none_or(|r| r > 0.999)));
    // Less memory costs time, or leaves no plan.
    let mut smaller = question.clone();
    smaller["memory"] = json!(40);
    let less = page.json("/api/plan", &smaller);
    assert_ne!(less["cost"], view["cost"]);
    let (status, html) = page.post("/api/page", &question);
    assert!(status == 200 && String::from_utf8(html).unwrap().contains("Made by edgeplan ui."));
    let rows = page.json("/api/compare", &question);
    assert!(rows["rows"].as_array().unwrap().len() > 5, "{rows}");
}

#[test]
fn clusters_change_as_the_library_changes_them() {
    let page = Page::start();
    let cluster = page.example()["cluster"].clone();
    let more =
        page.json("/api/cluster/change", &json!({ "cluster": cluster, "add": "rtx-3090-24" }));
    let devices = |file: &Value| file["device"].as_object().unwrap().len();
    assert_eq!(devices(&more), devices(&cluster) + 1, "{more}");
    let less = json!({ "cluster": cluster, "remove": "desktop" });
    assert_eq!(devices(&page.json("/api/cluster/change", &less)), devices(&cluster) - 1);
    let error = page.refused("/api/cluster/change", &json!({ "cluster": cluster, "add": "rtx" }));
    assert!(error.contains("no such device in the catalog"), "{error}");
    let question = page.example();
    let (status, text) = page.post("/api/cluster/write", &question);
    let text = String::from_utf8(text).unwrap();
    assert!(status == 200 && text.contains("[device.desktop]"), "{text}");
    let read = page.json("/api/cluster/read", &json!({ "name": "c.toml", "text": text }));
    assert_eq!(read, cluster);
}

#[test]
fn an_export_is_an_archive() {
    let page = Page::start();
    let wanted = json!({ "question": page.example(), "engine": "llama.cpp" });
    let (status, archive) = page.post("/api/export", &wanted);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&archive));
    let holds = |name: &[u8]| archive.windows(name.len()).any(|part| part == name);
    assert!(archive.starts_with(b"PK") && holds(b"edgeplan-llama.cpp/serve.sh"));
    let wrong = json!({ "question": page.example(), "engine": "lama.cpp" });
    assert!(page.refused("/api/export", &wrong).starts_with("export: engine: "));
}

#[test]
fn wrong_questions_get_the_librarys_one_message() {
    let page = Page::start();
    let with = |key: &str, value: Value| {
        let mut question = page.example();
        question[key] = value;
        question
    };
    for (question, expected) in [
        (with("model", json!("catalog:lama-2-7b")), "catalog:lama-2-7b: no such model"),
        (with("quality", json!("<script>")), "question: quality: "),
        (with("colour", json!(1)), "question: colour: unknown field"),
        (with("cluster", json!({ "source": "a" })), "cluster: source: "),
        (with("cluster", json!(3)), "cluster: "),
        (with("decode-min", json!(-3)), "decode-min"),
    ] {
        let error = page.refused("/api/plan", &question);
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    }
    let broken = json!("no question");
    assert!(page.refused("/api/plan", &broken).starts_with("question: "));
}

#[test]
fn others_may_not_ask_and_bodies_are_bounded() {
    let page = Page::start();
    let host = format!("Host: {}", page.address);
    let json = "Content-Type: application/json";
    let plan = "POST /api/plan";
    assert_eq!(page.ask(plan, &["Host: evil.example", json], b"{}").0, 403);
    assert_eq!(page.ask(plan, &[&host, json, "Origin: http://evil.example"], b"{}").0, 403);
    assert_eq!(page.ask(plan, &[&host, "Content-Type: text/plain"], b"{}").0, 403);
    assert_eq!(page.ask("GET /", &["Host: evil.example"], b"").0, 403);
    let large = vec![b' '; 2 << 20];
    assert_eq!(page.ask(plan, &[&host, json], &large).0, 413);
    // It still answers.
    assert_eq!(page.get("/").0, 200);
}

#[test]
fn the_beginning_of_a_model_file_is_enough() {
    let page = Page::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let made = Command::new(edgeplan())
        .args(["generate", "gguf", "--like", "catalog:smollm2-135m", "--recipe", "q8_0"])
        .args(["--out", &path.display().to_string()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let whole = std::fs::read(&path).unwrap();
    let head = &whole[..whole.len().min(1 << 20)];
    let host = format!("Host: {}", page.address);
    let header = [host.as_str(), "Content-Type: application/octet-stream"];
    let upload = format!("POST /api/model?name=tiny.gguf&size={}", whole.len());
    let (status, _, answer) = page.ask(&upload, &header, head);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let kept: Value = serde_json::from_slice(&answer).unwrap();
    let mut question = page.example();
    question["model"] = kept["model"].clone();
    assert_eq!(page.json("/api/plan", &question)["verdict"], "optimal");
    let (status, _, answer) = page.ask(&upload, &header, b"GGUF but no more");
    let error = String::from_utf8_lossy(&answer).into_owned();
    assert!(status == 422 && error.contains("tiny.gguf: ") && !error.contains("/tmp"), "{error}");
}

#[test]
fn a_click_path_leads_from_nothing_to_an_export() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/click_path.py");
    let python = std::env::var("EDGEPLAN_PYTHON").unwrap_or_else(|_| "python3".into());
    let page = Page::start();
    let mut command = Command::new(python);
    command.arg(script).arg(format!("http://{}/", page.address));
    let Ok(output) = command.output() else {
        println!("not run: the click path (no Python here)");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(77) {
        println!("not run: the click path ({})", said.trim());
        return;
    }
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
