//! What is published for clients fits the services.

use std::collections::BTreeMap;

use paylink::pb;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::Value;

/// Every unary method of the service, and whether it is one only under a
/// `request_id`. The others can be repeated as they are.
fn methods() -> BTreeMap<String, bool> {
    let descriptors = FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let mut methods = BTreeMap::new();
    for file in descriptors.file.iter().filter(|file| file.package() == "paylink.v1") {
        for service in &file.service {
            for method in service.method.iter().filter(|method| !method.server_streaming()) {
                let name = method.input_type().rsplit('.').next().unwrap();
                let request = file.message_type.iter().find(|message| message.name() == name);
                let writes = request.unwrap().field.iter().any(|f| f.name() == "request_id");
                let name = format!("paylink.v1.{}/{}", service.name(), method.name());
                methods.insert(name, writes);
            }
        }
    }
    methods
}

#[test]
fn the_service_config_retries_what_can_be_repeated_without_a_request_id() {
    let config: Value =
        serde_json::from_str(include_str!("../../docs/service-config.json")).unwrap();
    let mut named = BTreeMap::new();
    for entry in config["methodConfig"].as_array().unwrap() {
        let policy = &entry["retryPolicy"];
        if !policy.is_null() {
            assert_eq!(policy["retryableStatusCodes"], serde_json::json!(["UNAVAILABLE"]));
            assert_eq!(policy["maxAttempts"], 3);
        }
        for name in entry["name"].as_array().unwrap() {
            let (service, method) = (name["service"].as_str(), name["method"].as_str());
            let name = format!("{}/{}", service.unwrap(), method.unwrap());
            if !pb::streams(&name) {
                assert_eq!(
                    named.insert(name.clone(), policy.is_null()),
                    None,
                    "{name} is named twice"
                );
            }
        }
    }
    // A method that is missing on the left belongs into docs/service-config.json.
    assert_eq!(named, methods());
}
