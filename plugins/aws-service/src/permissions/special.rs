//! Resources that are not written in arguments of their own: queues by their address, versions, copies, several tables at once.
//!
//! Takes: arguments. Gives: ARNs, for the actions that this is known of.
//! Deliberately does not: repeat what the names of arguments say already.

use super::resources::{Part, Resources};
use crate::table::Service;
use serde_json::Value as Json;

impl Resources<'_> {
    /// Where a resource is not written in an argument of its own.
    pub(super) fn special(&self, service: Service, name: &str) -> Option<Vec<String>> {
        match (service.name, name) {
            ("sqs", _) => self.queue(),
            // A message to a phone number is of no topic.
            ("sns", "Publish") if self.part("PhoneNumber") != Part::Absent => Some(vec!["*".to_owned()]),
            ("sfn", "StartExecution" | "StartSyncExecution") => Some(self.state_machine()),
            ("lambda", "InvokeFunction") => Some(self.function()),
            ("s3", _) => self.object(name),
            ("secretsmanager", _) => self.secret(),
            ("dynamodb", "BatchGetItem" | "BatchWriteItem") => self.tables(),
            ("batch", "SubmitJob") => Some(self.batch_job()),
            ("bedrock" | "bedrockruntime", "InvokeModel") => Some(self.model()),
            ("eventbridge", "PutEvents") => self.event_buses(),
            ("ecs", "RunTask") => Some(vec![self.task_definition()]),
            _ => None,
        }
    }

    /// `https://sqs.eu-west-1.amazonaws.com/123456789012/jobs`
    fn queue(&self) -> Option<Vec<String>> {
        let Part::Known(url) = self.part("QueueUrl") else { return None };
        let parts: Vec<&str> = url.trim_start_matches("https://").split('/').collect();
        let [host, account, name] = parts.as_slice() else { return None };
        let region = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next());
        let region = region.unwrap_or(&self.request.region);
        Some(vec![format!("arn:{}:sqs:{region}:{account}:{name}", self.request.partition)])
    }

    /// A version or an alias is asked for by the machine's own ARN, or by its own, as the condition key of the qualifier wants it.
    fn state_machine(&self) -> Vec<String> {
        match self.part("StateMachineArn") {
            Part::Known(arn) if arn.starts_with("arn:") => {
                let machine: Vec<&str> = arn.splitn(8, ':').take(7).collect();
                let machine = machine.join(":");
                if machine == arn { vec![arn] } else { vec![machine, arn] }
            }
            _ => vec![self.place("arn:{Partition}:states:{Region}:{Account}:stateMachine:*")],
        }
    }

    fn function(&self) -> Vec<String> {
        let form = |name: &str| {
            self.place(&format!("arn:{{Partition}}:lambda:{{Region}}:{{Account}}:function:{name}"))
        };
        let function = match self.part("FunctionName") {
            Part::Known(arn) if arn.starts_with("arn:") => arn,
            Part::Known(partial) if partial.contains(":function:") => {
                self.place(&format!("arn:{{Partition}}:lambda:{{Region}}:{partial}"))
            }
            Part::Known(name) => form(&name),
            _ => return vec![form("*")],
        };
        match self.part("Qualifier") {
            Part::Known(qualifier) => vec![format!("{function}:{qualifier}")],
            Part::Open => vec![format!("{function}:*")],
            Part::Absent => vec![function],
        }
    }

    /// Objects: those of a copy are of two buckets; those of an access point are named below it.
    fn object(&self, name: &str) -> Option<Vec<String>> {
        let is_of_object = name.contains("Object") && !name.contains("ObjectLockConfiguration");
        if is_of_object && name.starts_with("Get") && self.part("CopySource") != Part::Absent {
            let Part::Known(source) = self.part("CopySource") else {
                return Some(vec![self.place("arn:{Partition}:s3:::*/*")]);
            };
            let source = source.trim_start_matches('/').split('?').next().unwrap_or_default().to_owned();
            return Some(vec![self.place(&format!("arn:{{Partition}}:s3:::{source}"))]);
        }
        match self.part("Bucket") {
            Part::Known(arn) if arn.starts_with("arn:") && is_of_object => {
                Some(vec![format!("{arn}/object/*")])
            }
            Part::Known(arn) if arn.starts_with("arn:") => Some(vec![arn]),
            // The keys of these stand in a list.
            Part::Known(bucket) if self.action == "deleteObjects" => {
                Some(vec![self.place(&format!("arn:{{Partition}}:s3:::{bucket}/*"))])
            }
            _ => None,
        }
    }

    /// IAM knows a secret by its name and six letters more.
    fn secret(&self) -> Option<Vec<String>> {
        match self.part("SecretId") {
            Part::Known(arn) if arn.starts_with("arn:") => Some(vec![arn]),
            Part::Known(name) => Some(vec![self.place(&format!(
                "arn:{{Partition}}:secretsmanager:{{Region}}:{{Account}}:secret:{name}-??????"
            ))]),
            _ => None,
        }
    }

    /// Of requests for several tables, which are the keys of a table.
    fn tables(&self) -> Option<Vec<String>> {
        let names = self.arguments?.get("RequestItems")?.as_object()?.keys();
        let arn = |name: &String| match name.starts_with("arn:") {
            true => name.clone(),
            false => self.place(&format!("arn:{{Partition}}:dynamodb:{{Region}}:{{Account}}:table/{name}")),
        };
        Some(names.map(arn).collect()).filter(|names: &Vec<String>| !names.is_empty())
    }

    /// A job of a definition in a queue. Without its revision a definition is asked for by its name alone.
    fn batch_job(&self) -> Vec<String> {
        let form = |kind: &str, name: &str| {
            self.place(&format!("arn:{{Partition}}:batch:{{Region}}:{{Account}}:{kind}/{name}"))
        };
        let mut resources = match self.part("JobDefinition") {
            Part::Known(arn) if arn.starts_with("arn:") => vec![arn],
            Part::Known(name) if name.contains(':') => vec![form("job-definition", &name)],
            Part::Known(name) => {
                vec![form("job-definition", &name), form("job-definition", &format!("{name}:*"))]
            }
            _ => vec![form("job-definition", "*")],
        };
        resources.push(match self.part("JobQueue") {
            Part::Known(arn) if arn.starts_with("arn:") => arn,
            Part::Known(name) => form("job-queue", &name),
            _ => form("job-queue", "*"),
        });
        resources.push(form("job", "*"));
        resources
    }

    fn model(&self) -> Vec<String> {
        let foundation = |region: &str, name: &str| {
            self.place(&format!("arn:{{Partition}}:bedrock:{region}::foundation-model/{name}"))
        };
        let profile = |name: &str| {
            self.place(&format!("arn:{{Partition}}:bedrock:{{Region}}:{{Account}}:inference-profile/{name}"))
        };
        match self.part("ModelId") {
            Part::Known(arn) if arn.contains(":inference-profile/") => vec![arn, foundation("*", "*")],
            Part::Known(arn) if arn.starts_with("arn:") => vec![arn],
            // `eu.anthropic.…` is a profile, which calls the model in several regions.
            Part::Known(name) if name.split('.').next().is_some_and(is_geography) => {
                let model = name.split_once('.').map_or("*", |(_, model)| model);
                vec![profile(&name), foundation("*", model)]
            }
            Part::Known(name) => vec![foundation("{Region}", &name)],
            _ => vec!["*".to_owned()],
        }
    }

    fn event_buses(&self) -> Option<Vec<String>> {
        let entries = self.arguments?.get("Entries")?.as_array()?;
        let mut buses: Vec<String> = entries
            .iter()
            .map(|entry| match entry.get("EventBusName").map(Json::as_str) {
                None if entry.is_object() => "default".to_owned(),
                Some(Some(name)) if !name.contains("{%") => name.to_owned(),
                _ => "*".to_owned(),
            })
            .map(|name| match name.starts_with("arn:") {
                true => name,
                false => {
                    self.place(&format!("arn:{{Partition}}:events:{{Region}}:{{Account}}:event-bus/{name}"))
                }
            })
            .collect();
        buses.sort();
        buses.dedup();
        Some(buses).filter(|buses| !buses.is_empty())
    }

    fn task_definition(&self) -> String {
        let form = |name: &str| {
            self.place(&format!("arn:{{Partition}}:ecs:{{Region}}:{{Account}}:task-definition/{name}"))
        };
        match self.part("TaskDefinition") {
            Part::Known(arn) if arn.starts_with("arn:") => arn,
            Part::Known(name) if name.contains(':') => form(&name),
            Part::Known(family) => form(&format!("{family}:*")),
            _ => form("*"),
        }
    }
}

/// Where the models of a cross-region profile are.
fn is_geography(text: &str) -> bool {
    ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"].contains(&text)
}
