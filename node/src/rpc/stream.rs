//! `events_subscribe`: the event stream of one subscriber. It waits for a slow reader, whose missed events then become a gap.

use super::calls::{Shared, params};
use super::refuse;
use bezant_api::event::EVENTS_NOTIFICATION;
use bezant_api::methods::Method;
use bezant_api::types::EventsParams;
use jsonrpsee::server::{PendingSubscriptionSink, RegisterMethodError, RpcModule, SubscriptionMessage};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<Shared>, method: &'static Method) -> Result<(), RegisterMethodError> {
    module.register_subscription(
        method.name,
        EVENTS_NOTIFICATION,
        "events_unsubscribe",
        move |given, pending, shared, _| serve(method, given, pending, shared),
    )?;
    Ok(())
}

async fn serve(method: &'static Method, given: Params<'static>, pending: PendingSubscriptionSink, shared: Arc<Shared>) {
    let mut events = match open(method, &given, &shared).await {
        Ok(events) => events,
        Err(error) => return pending.reject(error).await,
    };
    let Ok(sink) = pending.accept().await else { return };
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = sink.closed() => return,
        };
        let Some(event) = event else { return };
        let message = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), &event)
            .expect("events have string keys only");
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

async fn open(
    method: &Method,
    given: &Params<'static>,
    shared: &Shared,
) -> Result<crate::events::EventStream, ErrorObjectOwned> {
    let EventsParams { from, kinds } = params(method, given)?;
    shared.handle.subscribe(from, kinds).await.map_err(|error| refuse::ask(method, &error))
}
