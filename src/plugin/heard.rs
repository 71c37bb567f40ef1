//! What a fuzzer reaches of what a host says; nothing else calls it.

use super::catalogue::{ExplanationBody, FindingBody, FragmentBody};
use super::frame::{self, Answer, Reply};
use super::hosted::RunBody;
use super::permissions::StatementBody;
use serde::de::DeserializeOwned;

/// Reads frames as the runner does, until one is not understood; what is understood comes back the same when it is said again.
///
/// Each answer is read as every kind of reply.
#[doc(hidden)]
pub fn heard(mut input: &[u8]) {
    while let Ok(Some(reply)) = frame::read::<Reply>(&mut input) {
        if let Reply::Done { answers, .. } = &reply {
            answers.iter().for_each(read_as_everything);
        }
        let Ok(bytes) = frame::encode(&reply) else { continue };
        let again = frame::read::<Reply>(&mut bytes.as_slice());
        let again = again.expect("what was said is understood").expect("it is there");
        assert_eq!(frame::encode(&again).ok(), Some(bytes), "it comes back the same");
    }
}

fn read_as_everything(answer: &Answer) {
    fn read<T: DeserializeOwned>(text: &str) {
        drop(serde_json::from_str::<T>(text));
    }
    if let Answer::Ok(reply) = answer {
        read::<Vec<FindingBody>>(reply.get());
        read::<FragmentBody>(reply.get());
        read::<Vec<StatementBody>>(reply.get());
        read::<ExplanationBody>(reply.get());
        read::<RunBody>(reply.get());
    }
}
