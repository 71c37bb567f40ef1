//! Whatever the definition: reading it does not panic, and if it is accepted its execution ends, with a history in order.

use super::harness::{Answer, Script, run_with};
use bunsui::state_machine::{Definition, ExecutionOutcome};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// A state before it has a name and knows its neighbours: its type, where it leads, what is inside.
#[derive(Debug, Clone)]
struct Seed {
    kind: u8,
    /// Where a rule or a Catch leads, counted on from this state, around the end.
    step: usize,
    options: u8,
    inner: Vec<Vec<Seed>>,
}

fn machine_seed() -> impl Strategy<Value = Vec<Seed>> {
    let leaf = (0..7_u8, 0..5_usize, any::<u8>()).prop_map(|(kind, step, options)| Seed {
        kind,
        step,
        options,
        inner: Vec::new(),
    });
    let machine = vec(leaf, 1..4);
    machine.prop_recursive(2, 12, 2, |inner| {
        let container = (7..9_u8, 0..3_usize, any::<u8>(), vec(inner.clone(), 1..3))
            .prop_map(|(kind, step, options, inner)| Seed { kind, step, options, inner });
        (inner, container).prop_map(|(mut states, container)| {
            states.insert(0, container);
            states
        })
    })
}

/// Gives each state a name of its own.
struct Namer(usize);

impl Namer {
    fn machine(&mut self, seeds: &[Seed]) -> Json {
        let first = self.0;
        self.0 += seeds.len();
        let mut states = Map::new();
        for (index, seed) in seeds.iter().enumerate() {
            // Each state leads to the one after it, so that all are led to.
            let next = (index + 1 < seeds.len()).then(|| format!("S{}", first + index + 1));
            let other = format!("S{}", first + (index + seed.step) % seeds.len());
            states.insert(format!("S{}", first + index), self.state(seed, next, &other));
        }
        json!({ "StartAt": format!("S{first}"), "States": states })
    }

    fn state(&mut self, seed: &Seed, next: Option<String>, other: &str) -> Json {
        let has = |bit: u8| seed.options & (1 << bit) != 0;
        let mut state = match seed.kind {
            0 => {
                json!({ "Type": "Pass", "Output": "{% $states.input %}", "Assign": { other: "{% $states.context.State.Name %}" } })
            }
            1 => json!({ "Type": "Wait", "Seconds": u32::from(seed.options) * 10 }),
            2 if next.is_none() => return json!({ "Type": "Succeed" }),
            3 if next.is_none() => {
                return json!({ "Type": "Fail", "Error": "Failed", "Cause": "{% $states.input.gone %}" });
            }
            4 if next.is_some() => {
                return json!({ "Type": "Choice", "Default": next, "Choices": [
                    { "Condition": "{% $random() < 0.6 %}", "Next": other }] });
            }
            7 => {
                json!({ "Type": "Parallel", "Branches": seed.inner.iter().map(|inner| self.machine(inner)).collect::<Vec<_>>() })
            }
            8 => {
                json!({ "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": seed.options % 3, "ItemProcessor": self.machine(&seed.inner[0]) })
            }
            _ => json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke" }),
        };
        if has(0) && state["Type"] == "Task" {
            state["TimeoutSeconds"] = json!(5);
        }
        if ["Task", "Parallel", "Map"].iter().any(|kind| state["Type"] == *kind) {
            if has(1) {
                state["Retry"] =
                    json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "JitterStrategy": "FULL" }]);
            }
            if has(2) {
                state["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Next": other }]);
            }
            // Both together would go round until the history is full, which has a test of its own.
            if has(3) && !has(2) {
                state["Output"] = json!("{% $states.result.gone %}");
            }
        }
        match next {
            Some(next) => state["Next"] = json!(next),
            None => state["End"] = json!(true),
        }
        state
    }
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    vec(
        prop_oneof![
            Just(Answer::Return(json!({ "n": 1 }))),
            Just(Answer::Throw("E", "c")),
            Just(Answer::Throw("States.Runtime", "c")),
            (1..20_u64).prop_map(Answer::Takes),
            Just(Answer::Stubborn),
            Just(Answer::Echo),
        ],
        0..3,
    )
    // The last answer repeats: most executions come to an end of their own.
    .prop_map(|mut answers| {
        answers.push(Answer::Echo);
        answers
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_execution_ends_with_its_history_in_order(seeds in machine_seed(), answers in answers()) {
        let mut definition = Namer(0).machine(&seeds);
        definition["QueryLanguage"] = json!("JSONata");
        definition["TimeoutSeconds"] = json!(99_999);
        let mut script = Script::default();
        let parsed = Definition::parse(&definition);
        prop_assert!(parsed.is_ok(), "{:#?}", parsed);
        for name in parsed.unwrap().task_states() {
            script = script.on(name.to_owned(), answers.clone());
        }
        let run = run_with(&definition, json!({ "i": 1 }), script);
        let ids: Vec<u64> = run.events.iter().map(|event| event.id).collect();
        prop_assert_eq!(&ids, &(1..=ids.len() as u64).collect::<Vec<_>>());
        prop_assert!(run.events.iter().all(|event| event.previous_id < event.id));
        prop_assert!(run.events.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
        let expected = match run.outcome {
            ExecutionOutcome::Succeeded { .. } => "ExecutionSucceeded",
            ExecutionOutcome::Failed { .. } => "ExecutionFailed",
            ExecutionOutcome::TimedOut => "ExecutionTimedOut",
            ExecutionOutcome::Aborted => "ExecutionAborted",
        };
        prop_assert_eq!(run.kinds().last().copied(), Some(expected));
        prop_assert_eq!(run.kinds().iter().filter(|kind| kind.starts_with("Execution")).count(), 2);
        prop_assert!(run.seconds <= 99_999.0 + 10.0);
    }

    #[test]
    fn reading_a_broken_definition_names_problems_and_does_not_panic(
        seeds in machine_seed(),
        cuts in vec((any::<prop::sample::Index>(), 0..5_u8), 1..4),
    ) {
        let mut definition = Namer(0).machine(&seeds);
        definition["QueryLanguage"] = json!("JSONata");
        for (place, how) in cuts {
            let mut pointers = Vec::new();
            collect(&definition, String::new(), &mut pointers);
            let pointer = place.get(&pointers).clone();
            *definition.pointer_mut(&pointer).unwrap() = match how {
                0 => Json::Null,
                1 => json!([{}]),
                2 => json!("{% ( %}"),
                3 => json!({ "Type": "Map" }),
                _ => json!(-1.5),
            };
        }
        if let Err(problems) = Definition::parse(&definition) {
            prop_assert!(!problems.is_empty());
        }
    }
}

fn collect(value: &Json, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Json::Object(fields) => {
            fields.iter().for_each(|(key, value)| collect(value, format!("{pointer}/{key}"), pointers));
        }
        Json::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| collect(value, format!("{pointer}/{index}"), pointers));
        }
        _ => {}
    }
    pointers.push(pointer);
}
