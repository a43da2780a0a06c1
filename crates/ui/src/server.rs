//! The only place with async code: bounded requests become calls of plain functions.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use edgeplan::{Error, InputError};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::assets::{FILES, POLICY};
use crate::uploads::{HEAD_MAX, Uploads};
use crate::{answers, guard};

/// Bytes of a question.
const BODY_MAX: usize = 1 << 20;
/// Questions that are answered at once, and that wait for that.
const AT_ONCE: usize = 2;
const WAITING: usize = 8;
/// What an answer may take in all, the search for it included.
const TIME_MAX: Duration = Duration::from_secs(90);
/// How often the end is asked for.
const POLL: Duration = Duration::from_millis(100);
const JSON: &str = "application/json";

/// The page, listening.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
}

impl Page {
    /// Listens there; port 0 takes a free one.
    ///
    /// # Errors
    /// An address that is taken, or is none of this machine's.
    pub fn listen(address: SocketAddr) -> Result<Self, InputError> {
        let wrong =
            |error: std::io::Error| InputError::file(address.to_string(), error.to_string());
        let listener = TcpListener::bind(address).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is true.
    ///
    /// # Errors
    /// When the system gives no threads, no folder for what is dropped on the page, or no more
    /// connections.
    pub fn serve(self, stop: impl Fn() -> bool + Send) -> std::io::Result<()> {
        let shared = Arc::new(Shared {
            uploads: Uploads::new()?,
            at_once: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(AT_ONCE + WAITING)
            .enable_all()
            .build()?;
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let stopped = async {
                while !stop() {
                    tokio::time::sleep(POLL).await;
                }
            };
            tokio::select! {
                served = axum::serve(listener, router(shared)) => served,
                () = stopped => Ok(()),
            }
        });
        // Dropped requests have told their solvers to end.
        runtime.shutdown_timeout(Duration::from_secs(2));
        served
    }
}

/// What requests share.
#[derive(Debug)]
struct Shared {
    uploads: Uploads,
    at_once: Semaphore,
    waiting: Semaphore,
}

type Asked = State<Arc<Shared>>;

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        let file = move || async move { ([(CONTENT_TYPE, kind)], text) };
        router = router.route(path, get(file));
    }
    let head = DefaultBodyLimit::max(HEAD_MAX);
    router
        .route("/api/offers", get(offers))
        .route("/api/here", post(here))
        .route("/api/plan", post(plan))
        .route("/api/page", post(page))
        .route("/api/compare", post(compare))
        .route("/api/export", post(export))
        .route("/api/cluster/read", post(read_cluster))
        .route("/api/cluster/write", post(write_cluster))
        .route("/api/cluster/change", post(change_cluster))
        .route("/api/model", post(model).layer(head))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(guarded))
        .with_state(shared)
}

/// Refuses requests that are not the page's, and says to browsers what the page may do.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = match guard::refusal(request.method(), request.headers()) {
        Some(problem) => failed(StatusCode::FORBIDDEN, &problem),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn offers(State(shared): Asked) -> Response {
    answered(shared, |_, _| answers::offers().map(json)).await
}

async fn here(State(shared): Asked) -> Response {
    answered(shared, |_, _| answers::here().map(json)).await
}

async fn plan(State(shared): Asked, body: Bytes) -> Response {
    asked(shared, body, |text, uploads, stop| answers::plan(text, uploads, stop).map(json)).await
}

async fn page(State(shared): Asked, body: Bytes) -> Response {
    let html = |page| typed("text/html; charset=utf-8", page);
    asked(shared, body, move |text, uploads, stop| answers::page(text, uploads, stop).map(html))
        .await
}

async fn compare(State(shared): Asked, body: Bytes) -> Response {
    asked(shared, body, |text, uploads, stop| answers::compare(text, uploads, stop).map(json)).await
}

async fn export(State(shared): Asked, body: Bytes) -> Response {
    let zip = |archive| typed("application/zip", archive);
    asked(shared, body, move |text, uploads, stop| answers::export(text, uploads, stop).map(zip))
        .await
}

async fn read_cluster(State(shared): Asked, body: Bytes) -> Response {
    asked(shared, body, |text, _, _| answers::read_cluster(text).map(json)).await
}

async fn write_cluster(State(shared): Asked, body: Bytes) -> Response {
    let toml = |text| typed("application/toml; charset=utf-8", text);
    asked(shared, body, move |text, _, _| answers::write_cluster(text).map(toml)).await
}

async fn change_cluster(State(shared): Asked, body: Bytes) -> Response {
    asked(shared, body, |text, _, _| answers::change_cluster(text).map(json)).await
}

/// A file that is dropped: its name, and its whole size.
#[derive(Deserialize)]
struct Dropped {
    name: String,
    size: u64,
}

async fn model(State(shared): Asked, Query(file): Query<Dropped>, body: Bytes) -> Response {
    let Dropped { name, size } = file;
    let keep = move |uploads: &Uploads, _: &AtomicBool| {
        answers::keep(uploads, &name, size, &body).map(json)
    };
    answered(shared, keep).await
}

/// Answers a text.
async fn asked(
    shared: Arc<Shared>,
    body: Bytes,
    answer: impl FnOnce(&str, &Uploads, &AtomicBool) -> Result<Response, Error> + Send + 'static,
) -> Response {
    match String::from_utf8(body.into()) {
        Ok(text) => answered(shared, move |uploads, stop| answer(&text, uploads, stop)).await,
        Err(_) => failed(StatusCode::BAD_REQUEST, "this is no text; UTF-8 is needed"),
    }
}

/// Set when the connection is gone, or the time is up.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Answers on a thread of its own, once one of the few places is free.
async fn answered(
    shared: Arc<Shared>,
    answer: impl FnOnce(&Uploads, &AtomicBool) -> Result<Response, Error> + Send + 'static,
) -> Response {
    const BUSY: &str = "too many questions at once; please ask again";
    let Ok(_waits) = shared.waiting.try_acquire() else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    };
    let stop = Stop(Arc::default());
    let in_time = timeout(TIME_MAX, async {
        let Ok(_place) = shared.at_once.acquire().await else {
            return failed(StatusCode::SERVICE_UNAVAILABLE, BUSY);
        };
        let (flag, own) = (Arc::clone(&stop.0), Arc::clone(&shared));
        let answering = tokio::task::spawn_blocking(move || answer(&own.uploads, &flag));
        match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => failed(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
            Err(_) => failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "edgeplan failed; standard error of `edgeplan ui` says where",
            ),
        }
    });
    in_time.await.unwrap_or_else(|_| {
        let problem = format!("no answer within {} s", TIME_MAX.as_secs());
        failed(StatusCode::GATEWAY_TIMEOUT, &problem)
    })
}

/// One clear message.
#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

fn failed(status: StatusCode, error: &str) -> Response {
    (status, json(Failure { error })).into_response()
}

fn json(value: impl Serialize) -> Response {
    match serde_json::to_vec(&value) {
        Ok(bytes) => typed(JSON, bytes),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind)], body.into()).into_response()
}
