//! `ops/k8s` agrees with the programs, and lets nobody do more than it has to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::documents::architecture::{read, root};
use crate::documents::container_files::{object, settings, texts};

const PROCESSES: [&str; 3] = ["ingest", "dispatcher", "connect"];
/// Where a pod's secrets are mounted.
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

/// What a process is told by its `ConfigMap`.
fn told(process: &str) -> BTreeMap<String, String> {
    let document = kustomization();
    let maps = document["configMapGenerator"].as_array().expect("there are settings");
    let map = maps.iter().find(|map| map["name"] == format!("{process}-settings")).expect("each has its own");
    let pairs = texts(map, "/literals");
    pairs.iter().filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// The pod of a process and its one container.
fn pod(process: &str) -> (Value, Value) {
    let deployments = of_kind("Deployment");
    let pod = named(&deployments, process)["spec"]["template"].clone();
    let container = pod["spec"]["containers"][0].clone();
    (pod, container)
}

#[test]
fn every_setting_in_a_config_map_exists_in_its_process() {
    for process in PROCESSES {
        let (_, container) = pod(process);
        let known = settings(process);

        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], format!("{process}-settings"));
        for (setting, value) in told(process) {
            assert!(known.contains(&setting), "{process} is told {setting}, which it does not know");
            assert!(
                !setting.ends_with("_FILE") || value.starts_with(SECRETS),
                "{process} reads {setting} from {value}"
            );
        }
    }
}

#[test]
fn a_pod_mounts_its_own_secrets_and_holds_none() {
    for process in PROCESSES {
        let (pod, container) = pod(process);

        assert_eq!(container["volumeMounts"][0]["mountPath"], SECRETS);
        assert_eq!(pod["spec"]["volumes"][0]["secret"]["secretName"], format!("{process}-secrets"));
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    }
    assert_eq!(of_kind("Secret"), Vec::<Value>::new());
}

#[test]
fn a_pod_has_no_more_rights_than_it_needs() {
    for process in PROCESSES {
        let (pod, container) = pod(process);
        let rights = &container["securityContext"];

        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true, "{process}");
        assert_eq!(rights["readOnlyRootFilesystem"], true, "{process}");
        assert_eq!(rights["allowPrivilegeEscalation"], false, "{process}");
        assert_eq!(texts(rights, "/capabilities/drop"), ["ALL"], "{process}");
    }
}

#[test]
fn a_pod_is_probed_at_its_admin_port_and_given_the_time_to_stop() {
    for (process, port, grace) in [
        ("ingest", 9401, ingest::Settings::GRACE + Duration::from_secs(5)),
        ("dispatcher", 9402, dispatcher::Settings::GRACE),
        ("connect", 9403, connect::Settings::GRACE + Duration::from_secs(5)),
    ] {
        let (pod, container) = pod(process);
        let ports = container["ports"].as_array().expect("it has ports");
        let admin = ports.iter().find(|port| port["name"] == "admin").expect("one is for probes");

        assert_eq!(admin["containerPort"], port);
        for (probe, path) in [("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")] {
            let asked = &container[probe]["httpGet"];
            assert_eq!((asked["port"].as_str(), asked["path"].as_str()), (Some("admin"), Some(path)), "{process}");
        }
        let given = pod["spec"]["terminationGracePeriodSeconds"].as_u64().map(Duration::from_secs);
        assert!(given > Some(grace), "{process}: {given:?}");
    }
}

#[test]
fn each_process_is_scaled_and_kept_while_nodes_are_emptied() {
    let (autoscalers, scaled) = (of_kind("HorizontalPodAutoscaler"), of_kind("ScaledObject"));
    let (budgets, deployments) = (of_kind("PodDisruptionBudget"), of_kind("Deployment"));

    assert_eq!(named(&autoscalers, "ingest")["spec"]["scaleTargetRef"]["name"], "ingest");
    assert_eq!(named(&scaled, "dispatcher")["spec"]["scaleTargetRef"]["name"], "dispatcher");
    assert_eq!(named(&deployments, "connect")["spec"]["replicas"], 2);
    for process in PROCESSES {
        let (pod, _) = pod(process);
        let chosen = object(named(&budgets, process), "/spec/selector/matchLabels");
        let labels = object(&pod, "/metadata/labels");
        assert!(!chosen.is_empty() && chosen.iter().all(|(name, value)| labels.get(name) == Some(value)), "{process}");
    }
}

/// KEDA's resources have no schema among those of Kubernetes.
#[test]
fn the_dispatcher_is_scaled_on_the_queues_that_it_takes_from() {
    let (scaled, authentications) = (of_kind("ScaledObject"), of_kind("TriggerAuthentication"));
    let triggers = named(&scaled, "dispatcher")["spec"]["triggers"].as_array().cloned().unwrap_or_default();
    let queues: Vec<&str> = triggers.iter().filter_map(|trigger| trigger["metadata"]["queueName"].as_str()).collect();

    let taken_from = event::Class::ALL.map(|class| queue::QueueName::Class(class).as_str());
    assert_eq!(queues, taken_from);
    for trigger in &triggers {
        let numbers = object(trigger, "/metadata").into_values().all(|value| value.is_string());
        assert!(numbers && trigger["type"] == "rabbitmq" && trigger["metadata"]["mode"] == "QueueLength", "{trigger}");
        let by = named(&authentications, trigger["authenticationRef"]["name"].as_str().unwrap_or_default());
        assert_eq!(by["spec"]["secretTargetRef"][0]["name"], "dispatcher-secrets");
    }
}

/// A policy's pods are those with all of its labels, or with one of the values of its one expression.
fn applies(policy: &Value, process: &str) -> bool {
    let labels = object(&pod(process).0, "/metadata/labels");
    let wanted = object(policy, "/spec/podSelector/matchLabels");
    let expression = &policy["spec"]["podSelector"]["matchExpressions"][0];
    let is_among = texts(expression, "/values").iter().any(|value| value == process);
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value)) && (expression.is_null() || is_among)
}

#[test]
fn nobody_reaches_more_than_it_needs() {
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
    assert!(object(nothing_else, "/spec/podSelector").is_empty(), "it holds for every pod");
    assert_eq!(reached("ingest"), [53, 5671, 5672]);
    assert_eq!(reached("dispatcher"), [53, 443, 5671, 5672, 6379]);
    assert_eq!(reached("connect"), [53, 443, 6379]);
}
