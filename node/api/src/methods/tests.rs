use super::*;
use crate::fault::LinkEffects;
use serde::de::DeserializeOwned;

fn schema_names(method: &Method) -> Vec<String> {
    let schema = (method.params_schema)(&mut settings().into_generator());
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn the_table_names_exactly_the_parameters_of_the_types() {
    for method in METHODS {
        let mut names: Vec<String> = method.params.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        assert_eq!(names, schema_names(method), "{}", method.name);
        let prefix = method.name.split('_').next().unwrap();
        assert_eq!(prefix == "dev", method.access == Access::Dev, "{}", method.name);
        assert_eq!(prefix == "admin", method.access == Access::Admin, "{}", method.name);
        assert_eq!(METHODS.iter().filter(|other| other.name == method.name).count(), 1);
    }
}

/// Named and positional parameters mean the same, and the order is that of the type's fields.
fn both_ways<T: DeserializeOwned + Serialize + PartialEq + fmt::Debug>(name: &str, list: Value) {
    let method = method(name).unwrap();
    let named = method.named(Some(list.clone())).unwrap();
    let by_position: T = serde_json::from_value(list).unwrap();
    let by_name: T = serde_json::from_value(Value::Object(named.clone())).unwrap();
    assert_eq!(by_position, by_name);
    assert_eq!(method.named(Some(Value::Object(named.clone()))).unwrap(), named);
}

#[test]
fn positional_and_named_parameters_mean_the_same() {
    both_ways::<BlockParams>("chain_block", json!([7]));
    both_ways::<BlockParams>("chain_header", json!(["ab"]));
    both_ways::<HeadersParams>("chain_headers", json!([7]));
    both_ways::<HeadersParams>("chain_headers", json!([7, 2]));
    both_ways::<TxParams>("tx_status", json!(["ab"]));
    both_ways::<SubmitParams>("tx_submit", json!(["00"]));
    both_ways::<SubmitManyParams>("tx_submit_many", json!([["00", "01"]]));
    both_ways::<CoinsParams>("coins_list", json!([["ab"], 5, "ab:0"]));
    both_ways::<CoinsParams>("coins_list", json!([["ab"]]));
    both_ways::<HistoryParams>("history_list", json!([["ab"], 3, null, 2]));
    both_ways::<EventsParams>("events_subscribe", json!([]));
    both_ways::<EventsParams>("events_subscribe", json!([7, ["block"]]));
    let fault =
        json!({"id": 1, "from": [{"peer_id": "id", "seed": 7}], "to": [], "effects": LinkEffects::CUT, "for_ms": null});
    both_ways::<DevLinksParams>("dev_links", json!(["t", [fault]]));
    both_ways::<DevNoteParams>("dev_note", json!(["t", "begin", "process", "paused"]));
    both_ways::<DevByzantineParams>("dev_byzantine", json!(["t", "censor", "ab"]));
    both_ways::<DevByzantineParams>("dev_byzantine", json!(["t", "off"]));
    both_ways::<DevMineParams>("dev_mine", json!(["t", 3]));
    both_ways::<DevHashrateParams>("dev_hashrate", json!(["t", 3]));
    both_ways::<TokenParams>("admin_stop", json!(["t"]));
    both_ways::<TemplateParams>("mining_template", json!(["bzt1", 3, 500]));
    both_ways::<TemplateParams>("mining_template", json!(["bzt1"]));
    both_ways::<SolutionParams>("mining_submit", json!([1, "00", 2, 3, 4]));
    both_ways::<NoParams>("node_status", json!([]));
}

#[test]
fn a_wrong_parameter_is_named() {
    let fault = |name: &str, given: Value| method(name).unwrap().named(Some(given)).unwrap_err().field;
    assert_eq!(fault("tx_status", json!({})), "txid");
    assert_eq!(fault("tx_status", json!([])), "txid");
    assert_eq!(fault("tx_status", json!([1])), "txid");
    assert_eq!(fault("tx_status", json!({"txid": "a", "tixd": "b"})), "tixd");
    assert_eq!(fault("tx_status", json!(["a", "b"])), "params");
    assert_eq!(fault("tx_status", json!("a")), "params");
    assert_eq!(fault("coins_list", json!({"locks": ["a", 5]})), "locks");
    assert_eq!(fault("coins_list", json!({"locks": [], "limit": -1})), "limit");
    assert_eq!(fault("dev_mine", json!({"token": "t", "count": 4_294_967_296u64})), "count");
    assert_eq!(fault("history_list", json!({"locks": [], "from_height": 1.5})), "from_height");
    assert!(method("chain_tip").unwrap().named(None).unwrap().is_empty());
    assert!(method("nothing").is_none());
}

#[test]
fn the_document_is_whole() {
    let document = open_rpc(|method| method.access == Access::Open);
    let text = document.to_string();
    assert!(!text.contains("dev_mine") && text.contains("chain_block"));
    assert_eq!(document["methods"].as_array().unwrap().len(), METHODS.len() - 9);
    // Every reference leads somewhere.
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(schemas.contains_key("Event") && schemas.contains_key("NodeStatus"));
    let coins = document["methods"].as_array().unwrap().iter().find(|method| method["name"] == "coins_list").unwrap();
    assert_eq!(coins["params"][0]["name"], "locks");
    assert_eq!(coins["params"][0]["required"], true);
    assert_eq!(coins["params"][1]["required"], false);
}

/// A page of the specification.
fn page(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a page that begin with a name in backquotes, under the heading.
fn rows(page: &str, heading: &str) -> Vec<String> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
}

#[test]
fn the_specification_lists_exactly_the_methods() {
    let row = |method: &Method| {
        let params: Vec<String> = method.params.iter().map(|name| format!("`{name}`")).collect();
        let params = if params.is_empty() { "–".to_owned() } else { params.join(", ") };
        let access = format!("{:?}", method.access).to_lowercase();
        format!("| `{}` | {params} | {access} | {} |", method.name, method.summary)
    };
    let wanted: Vec<String> = METHODS.iter().map(row).collect();
    assert_eq!(rows(&page("rpc.md"), "Methods"), wanted);
}

#[test]
fn the_specification_lists_exactly_the_events() {
    let mut generator = settings().into_generator();
    let _ = generator.subschema_for::<crate::event::EventKind>();
    let schemas = Value::Object(generator.take_definitions(true));
    let kinds = schemas["EventKind"]["oneOf"].as_array().expect("an event is one of several kinds");
    let page = page("events.md");
    let rows = rows(&page, "Kinds");
    assert_eq!(rows.len(), kinds.len());
    for kind in kinds {
        let properties = kind["properties"].as_object().unwrap();
        let name = properties["event"]["const"].as_str().unwrap();
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
        for field in properties.keys().filter(|field| *field != "event") {
            assert!(row.contains(&format!("`{field}`")), "{name}.{field} is not on the page");
        }
    }
}
