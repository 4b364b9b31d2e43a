//! `ops/k8s` agrees with the programs, and gives each of them no more rights than it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::documents::container_files::{object, settings, texts};
use crate::support::workspace::{read, root};

const PROCESSES: [&str; 3] = ["ingest", "dispatcher", "connect"];
/// The folder in which a pod's secrets are mounted.
const SECRETS: &str = "/run/secrets/meta-integration";

fn file(name: &str) -> Vec<Value> {
    let path = root().join("ops/k8s").join(name);
    serde_saphyr::from_multiple(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kustomization() -> Value {
    file("kustomization.yaml").remove(0)
}

/// Every resource that the kustomization lists.
fn resources() -> Vec<Value> {
    texts(&kustomization(), "/resources").iter().flat_map(|name| file(name)).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    resources().into_iter().filter(|resource| resource["kind"] == kind).collect()
}

fn named<'r>(resources: &'r [Value], name: &str) -> &'r Value {
    resources.iter().find(|one| one["metadata"]["name"] == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// The settings in a process's `ConfigMap`.
fn config_map(process: &str) -> BTreeMap<String, String> {
    let document = kustomization();
    let maps = document["configMapGenerator"].as_array().expect("the kustomization has settings");
    let map = maps.iter().find(|map| map["name"] == format!("{process}-settings")).expect("each process has its own");
    let pairs = texts(map, "/literals");
    pairs.iter().filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// The pod of a process, and its only container.
struct Pod {
    template: Value,
    container: Value,
}

fn pod(process: &str) -> Pod {
    let deployments = of_kind("Deployment");
    let template = named(&deployments, process)["spec"]["template"].clone();
    let container = template["spec"]["containers"][0].clone();
    Pod { template, container }
}

#[test]
fn every_setting_in_a_config_map_exists_in_its_process() {
    for process in PROCESSES {
        let Pod { container, .. } = pod(process);
        let known = settings(process);

        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], format!("{process}-settings"));
        for (setting, value) in config_map(process) {
            assert!(known.contains(&setting), "{process} has the setting {setting}, which it does not know");
            assert!(
                !setting.ends_with("_FILE") || value.starts_with(SECRETS),
                "{process} reads {setting} from {value}"
            );
        }
    }
}

#[test]
fn a_pod_mounts_its_own_secrets_and_the_files_hold_none() {
    for process in PROCESSES {
        let Pod { template, container } = pod(process);

        assert_eq!(container["volumeMounts"][0]["mountPath"], SECRETS);
        assert_eq!(template["spec"]["volumes"][0]["secret"]["secretName"], format!("{process}-secrets"));
        assert_eq!(template["spec"]["automountServiceAccountToken"], false);
    }
    assert_eq!(of_kind("Secret"), Vec::<Value>::new());
}

#[test]
fn a_pod_has_no_more_rights_than_it_needs() {
    for process in PROCESSES {
        let Pod { template, container } = pod(process);
        let rights = &container["securityContext"];

        assert_eq!(template["spec"]["securityContext"]["runAsNonRoot"], true, "{process}");
        assert_eq!(rights["readOnlyRootFilesystem"], true, "{process}");
        assert_eq!(rights["allowPrivilegeEscalation"], false, "{process}");
        assert_eq!(texts(rights, "/capabilities/drop"), ["ALL"], "{process}");
    }
}

#[test]
fn a_pod_is_probed_at_its_admin_port_and_has_the_time_to_stop() {
    for (process, port, grace) in [
        ("ingest", 9401, ingest::Settings::GRACE + Duration::from_secs(5)),
        ("dispatcher", 9402, dispatcher::Settings::GRACE),
        ("connect", 9403, connect::Settings::GRACE + Duration::from_secs(5)),
    ] {
        let Pod { template, container } = pod(process);
        let ports = container["ports"].as_array().expect("it has ports");
        let admin = ports.iter().find(|port| port["name"] == "admin").expect("one of them is the admin port");

        assert_eq!(admin["containerPort"], port);
        for (probe, path) in [("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")] {
            let request = &container[probe]["httpGet"];
            assert_eq!((request["port"].as_str(), request["path"].as_str()), (Some("admin"), Some(path)), "{process}");
        }
        let given = template["spec"]["terminationGracePeriodSeconds"].as_u64().map(Duration::from_secs);
        assert!(given > Some(grace), "{process}: {given:?}");
    }
}

#[test]
fn each_process_is_scaled_and_stays_available_while_nodes_are_drained() {
    let autoscalers = of_kind("HorizontalPodAutoscaler");
    let scaled = of_kind("ScaledObject");
    let budgets = of_kind("PodDisruptionBudget");
    let deployments = of_kind("Deployment");

    assert_eq!(named(&autoscalers, "ingest")["spec"]["scaleTargetRef"]["name"], "ingest");
    assert_eq!(named(&scaled, "dispatcher")["spec"]["scaleTargetRef"]["name"], "dispatcher");
    assert_eq!(named(&deployments, "connect")["spec"]["replicas"], 2);
    for process in PROCESSES {
        let Pod { template, .. } = pod(process);
        let selector = object(named(&budgets, process), "/spec/selector/matchLabels");
        let labels = object(&template, "/metadata/labels");
        let selects = |(name, value)| labels.get(name) == Some(value);
        assert!(!selector.is_empty() && selector.iter().all(selects), "{process}");
    }
}

/// KEDA's resources have no schema among those of Kubernetes.
#[test]
fn the_dispatcher_is_scaled_on_the_queues_that_it_takes_from() {
    let scaled = of_kind("ScaledObject");
    let triggers = named(&scaled, "dispatcher")["spec"]["triggers"].as_array().cloned().unwrap_or_default();
    let queries: Vec<&str> = triggers.iter().filter_map(|trigger| trigger["metadata"]["query"].as_str()).collect();

    let query = |class| format!("max(queue_depth{{queue=\"{}\"}})", queue::QueueName::Class(class).as_str());
    assert_eq!(queries, event::Class::ALL.map(query));
    for trigger in &triggers {
        let numbers = object(trigger, "/metadata").into_values().all(|value| value.is_string());
        assert!(numbers && trigger["type"] == "prometheus", "{trigger}");
    }
}

/// Whether a policy selects a process: its pod has all labels of the policy, or one of the values of its expression.
fn applies(policy: &Value, process: &str) -> bool {
    let labels = object(&pod(process).template, "/metadata/labels");
    let demanded = object(policy, "/spec/podSelector/matchLabels");
    let expression = &policy["spec"]["podSelector"]["matchExpressions"][0];
    let is_among = texts(expression, "/values").iter().any(|value| value == process);
    demanded.iter().all(|(name, value)| labels.get(name) == Some(value)) && (expression.is_null() || is_among)
}

#[test]
fn no_process_reaches_more_than_it_needs() {
    let policies = of_kind("NetworkPolicy");
    let reached = |process: &str| {
        let egress = policies.iter().filter(|policy| applies(policy, process));
        let rules = egress.flat_map(|policy| policy["spec"]["egress"].as_array().cloned().unwrap_or_default());
        let ports = rules.flat_map(|rule| rule["ports"].as_array().cloned().unwrap_or_default());
        let mut ports: Vec<u64> = ports.filter_map(|port| port["port"].as_u64()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };

    let nothing_else = named(&policies, "nothing-else");
    assert_eq!(texts(nothing_else, "/spec/policyTypes"), ["Ingress", "Egress"]);
    assert!(object(nothing_else, "/spec/podSelector").is_empty(), "it selects every pod");
    assert_eq!(reached("ingest"), [53, 5671, 5672]);
    assert_eq!(reached("dispatcher"), [53, 443, 5671, 5672, 6379, 26379]);
    assert_eq!(reached("connect"), [53, 443, 6379, 26379]);
}

/// Dispatcher and connect fetch addresses that others name, so none of them may lead into a network of ours.
#[test]
fn what_is_not_public_cannot_be_reached_from_any_pod() {
    let policies = of_kind("NetworkPolicy");
    let outside = &named(&policies, "outside")["spec"]["egress"][0]["to"];

    assert_eq!(outside.as_array().map(Vec::len), Some(1));
    assert_eq!(outside[0]["ipBlock"]["cidr"], "0.0.0.0/0", "no address of IPv6");
    let left_out = texts(outside, "/0/ipBlock/except");
    for private in ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"] {
        assert!(left_out.iter().any(|network| network == private), "{private} can be reached");
    }
}
