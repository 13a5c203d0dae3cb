//! What a request passes before it is JSON-RPC: its `Host` and `Origin` are checked, and `/metrics`, `/health` and `/ready` are
//! answered.
//!
//! A page in a browser can send requests to this machine, under a name of its own that it lets point here. So a `Host` that is
//! neither an address nor a name of ours is refused, and so is the `Origin` of any page that is not served from this machine.

use crate::handle::NodeHandle;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{BoxError, Layer, Service};

/// Whom the gate lets through, and the node that it reports on.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) handle: NodeHandle,
    /// The address that is listened on.
    pub(super) ip: IpAddr,
    /// Further names, in lower case.
    pub(super) hosts: Vec<String>,
}

impl Rules {
    /// Whether a `Host` names this server.
    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match ip {
            Ok(ip) => ip.is_loopback() || ip == self.ip || self.ip.is_unspecified(),
            Err(_) => name == "localhost" || self.hosts.iter().any(|ours| *ours == name || *ours == host),
        }
    }
}

/// Whether an `Origin` is a page of this machine.
fn is_local_page(origin: &str) -> bool {
    let Some((_, host)) = origin.split_once("://") else { return false };
    let name = without_port(host).to_ascii_lowercase();
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address without a port are its own.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
}

/// Puts the gate before the RPC service.
#[derive(Clone, Debug)]
pub(super) struct GateLayer(pub(super) Arc<Rules>);

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, rules: self.0.clone() }
    }
}

/// The gate before the RPC service.
#[derive(Clone, Debug)]
pub(super) struct Gate<S> {
    inner: S,
    rules: Arc<Rules>,
}

type Answer = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

impl<S> Service<HttpRequest> for Gate<S>
where
    S: Service<HttpRequest, Response = HttpResponse>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: HttpRequest) -> Answer {
        if let Some(refusal) = refuse(&self.rules, &request) {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let rules = self.rules.clone();
        match (request.method().as_str(), request.uri().path()) {
            ("GET", "/metrics") => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                let figures = rules.handle.metrics().render();
                Box::pin(std::future::ready(Ok(text(200, kind, figures))))
            }
            ("GET", "/health") => Box::pin(async move { Ok(verdict(rules.handle.is_healthy().await)) }),
            ("GET", "/ready") => Box::pin(async move { Ok(verdict(rules.handle.is_ready().await)) }),
            _ => {
                let answer = self.inner.call(request);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
        }
    }
}

fn refuse(rules: &Rules, request: &HttpRequest) -> Option<HttpResponse> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    let host = header("host").or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    if !host.is_some_and(|host| rules.is_ours(host)) {
        tracing::debug!(host, "RPC request refused: a foreign Host");
        let advice = "this Host is not served here; name it in rpc.hosts if it is yours\n";
        return Some(text(403, "text/plain", advice.to_owned()));
    }
    let origin = header("origin")?;
    if is_local_page(origin) {
        return None;
    }
    tracing::debug!(origin, "RPC request refused: a foreign Origin");
    Some(text(403, "text/plain", "pages from elsewhere are not served here\n".to_owned()))
}

fn verdict(good: bool) -> HttpResponse {
    if good { text(200, "text/plain", "ok\n".to_owned()) } else { text(503, "text/plain", "not now\n".to_owned()) }
}

fn text(status: u16, kind: &str, body: String) -> HttpResponse {
    HttpResponse::<()>::builder()
        .status(status)
        .header("content-type", kind)
        .body(HttpBody::from(body))
        .expect("status and header are well-formed")
}
