//! Ends that events tell of: fewer looks, whatever comes in the queue, and no harm where nothing does.
//!
//! The queue is ministack's. Durations that are told to a runner beforehand are long: by looks alone it would find an end only after
//! minutes, and no test waits so long.

use super::super::{job, sdk_config};
use super::{Site, at_once, job_of, quick, record, seconds, two_operations};
use crate::product::Running;
use bunsui_test_support::proxy::{Fault, Proxy};
use bunsui_test_support::step_functions::{EventQueue, Options, Script};
use bunsui_test_support::{Scratch, ministack};
use serde_json::{Value as Json, json};

const WARNING: &str = "warning: events of executions are not heard, ends are found by looks alone: ";

/// An account whose events come to a queue.
fn site(queue: impl FnOnce(&mut EventQueue)) -> Option<Site> {
    let mut events = EventQueue::new(&ministack()?.address, "bunsui-events");
    queue(&mut events);
    let site = Site::new(Options { events: Some(events), ..Options::default() })?;
    let create = client(&site).create_queue().queue_name("bunsui-events").send();
    site.runtime.block_on(create).expect("made");
    Some(site)
}

fn client(site: &Site) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&site.runtime.block_on(sdk_config(&site.account)))
}

fn url(site: &Site) -> String {
    format!("{}/{}/bunsui-events", ministack().expect("it runs").address, site.account)
}

/// Puts messages into the queue.
fn send<'a>(site: &Site, bodies: impl IntoIterator<Item = &'a str>) {
    for body in bodies {
        let send = client(site).send_message().queue_url(url(site)).message_body(body).send();
        site.runtime.block_on(send).expect("sent");
    }
}

/// What is in the queue, whoever has received it.
fn left(site: &Site) -> Vec<String> {
    let mut bodies = Vec::new();
    crate::product::wait_until("all can be received", || {
        let receive = client(site).receive_message().queue_url(url(site)).max_number_of_messages(10);
        let received = site.runtime.block_on(receive.visibility_timeout(600).send()).expect("it answers");
        let found = received.messages.unwrap_or_default().into_iter().filter_map(|message| message.body);
        bodies.extend(found);
        let names = [
            aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages,
            aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let ask =
            client(site).get_queue_attributes().queue_url(url(site)).set_attribute_names(Some(names.into()));
        let counts = site.runtime.block_on(ask.send()).expect("it answers").attributes.unwrap_or_default();
        counts.values().filter_map(|count| count.parse::<usize>().ok()).sum::<usize>() == bodies.len()
    });
    bodies
}

/// A folder whose bunsui hears of ends, with a pipeline of these jobs.
fn hearing(site: &Site, jobs: &str) -> Scratch {
    site.deployed(jobs).with_variable("BUNSUI_AWS__EVENTS", "true")
}

/// As if such jobs had always taken ten minutes.
fn are_known_to_be_long(site: &Site) {
    let long = [600.0; 8];
    let durations = json!({"jobs": {}, "kinds": {"lambda": long, "lambda,lambda": long}});
    let objects = super::of_connection(&site.connection).objects;
    let kept = objects.put("durations/t.json", durations.to_string().into_bytes());
    site.runtime.block_on(kept).expect("kept");
}

fn looks(site: &Site) -> u64 {
    site.calls("DescribeExecution") + site.calls("GetExecutionHistory")
}

fn fan_out(jobs: usize) -> String {
    (0..jobs).map(|at| job(&format!("j{at}"), "", "")).collect()
}

/// What the session says that it called.
fn service_calls(lines: &[Json]) -> Json {
    let found = lines.iter().find(|line| line["event"] == "service_calls");
    found.unwrap_or_else(|| panic!("{lines:?}"))["calls"].clone()
}

#[test]
fn an_end_that_an_event_tells_of_costs_one_look() {
    const JOBS: usize = 20;
    let Some(site) = site(|_| {}) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(2.0), json!({"n": 1})));
    let scratch = hearing(&site, &fan_out(JOBS));
    are_known_to_be_long(&site);
    let (code, said) = Running::start(&scratch, "run t.toml").end();
    assert_eq!((code, site.created()), (Some(0), vec![1; JOBS]), "{said}");
    let all = site.stand_in.calls();
    assert!(looks(&site) <= JOBS as u64 + 3, "{} looks, {all:?}", looks(&site));
    assert_eq!(left(&site), Vec::<String>::new(), "what was heard is deleted");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn with_events_fewer_calls_find_what_takes_longer_and_shorter() {
    const JOBS: usize = 30;
    let looks = [false, true].map(|hears| {
        let site = site(|_| {})?;
        // Three short ones come first: events tell of them, and are relied on then.
        site.stand_in.script(|started| {
            match job_of(&started.machine).trim_start_matches('j').parse::<u32>() {
                Ok(number) => Script::succeeded(seconds(2.0 + f64::from(number) * 0.3), json!({})),
                Err(_) => Script::succeeded(seconds(1.0), json!({})),
            }
        });
        let first: String = ["a", "b", "c"].map(|id| job(id, "", "")).concat();
        let then = |at| job(&format!("j{at}"), "depends_on = [\"a\", \"b\", \"c\"]", "");
        let scratch = hearing(&site, &(first + &(0..JOBS).map(then).collect::<String>()));
        let scratch = scratch.with_variable("BUNSUI_AWS__EVENTS", if hears { "true" } else { "false" });
        let calls = service_calls(&scratch.run("run t.toml --output json").expect_code(0).json_lines());
        assert_eq!(site.created(), [1; JOBS + 3]);
        for api in ["GetQueueUrl", "ReceiveMessage", "DeleteMessageBatch"] {
            assert_eq!(calls[api]["calls"].as_u64() > Some(0), hears, "{api}: {calls}");
        }
        Some(looks(&site))
    });
    let [Some(without), Some(with)] = looks else { return };
    assert!(with * 3 < without, "{with} looks with events, {without} without");
}

/// A session that ends as it should, whatever comes in its queue.
fn ends_well(
    queue: impl FnOnce(&mut EventQueue),
    before: impl FnOnce(&Site),
) -> Option<(Site, Scratch, String)> {
    let site = site(queue)?;
    site.stand_in.script(|started| match job_of(&started.machine) {
        "c" => Script::failed(seconds(1.0), "ValueError", "no good"),
        _ => quick(json!({"n": 1})),
    });
    let jobs = job("a", "", "")
        + &job("b", "depends_on = [\"a\"]", "payload = { n = \"${jobs.a.n}\" }")
        + &job("c", "depends_on = [\"a\"]", "")
        + &job("d", "depends_on = [\"b\"]", "");
    let scratch = hearing(&site, &jobs);
    before(&site);
    let finished = scratch.run("run t.toml").expect_code(1);
    assert_eq!(site.created(), [1; 4]);
    for (name, status) in [("a", "succeeded"), ("b", "succeeded"), ("c", "failed"), ("d", "succeeded")] {
        assert_eq!(record(&scratch, name)["status"], status);
    }
    assert_eq!(record(&scratch, "c")["failure"]["cause"], "no good");
    Some((site, scratch, finished.stderr))
}

#[test]
fn events_that_come_twice_late_or_not_at_all_change_nothing() {
    let queues: [fn(&mut EventQueue); 4] = [
        |queue| queue.copies = 3,
        |queue| queue.delay = seconds(1.5),
        |queue| queue.stops_after = 0,
        |queue| queue.stops_after = 2,
    ];
    at_once(queues, |queue| {
        ends_well(queue, |_| {});
    });
}

/// Events stop once they are relied on.
#[test]
fn ends_that_no_event_tells_of_any_more_are_found_by_looks() {
    let Some(site) = site(|queue| queue.stops_after = 4) else { return };
    site.stand_in.script(|_| quick(json!({})));
    let after = |at: usize| job(&format!("j{at}"), &format!("depends_on = [\"j{}\"]", at - 1), "");
    let scratch = hearing(&site, &(job("j0", "", "") + &(1..8).map(after).collect::<String>()));
    scratch.run("run t.toml").expect_code(0);
    assert_eq!(site.created(), [1; 8]);
}

#[test]
fn what_is_no_event_is_thrown_away_and_what_is_anothers_is_not() {
    let foreign = |status: &str| {
        let arn = "arn:aws:states:ap-northeast-1:1:execution:bunsui-x--y:z";
        json!({"detail": {"executionArn": arn, "status": status, "stopDate": 1}}).to_string()
    };
    let garbage = ["{", "null", "[1]", "{\"detail\": {}}", "x", &foreign("RUNNING")];
    let Some((site, _, stderr)) = ends_well(
        |_| {},
        |site| {
            send(site, garbage);
            send(site, [foreign("SUCCEEDED").as_str()]);
        },
    ) else {
        return;
    };
    assert!(!stderr.contains("warning"), "{stderr}");
    let left = left(&site);
    assert!(left.contains(&foreign("SUCCEEDED")), "{left:?}");
    assert!(garbage.iter().all(|body| !left.contains(&(*body).to_owned())), "{left:?}");
}

/// Whoever may write to the queue can make a runner look, and no more.
#[test]
fn an_event_that_is_not_true_is_not_believed() {
    let Some(site) = site(|_| {}) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(4.0), json!({"n": 1})));
    let scratch = hearing(&site, &job("a", "", ""));
    are_known_to_be_long(&site);
    let running = Running::start(&scratch, "run t.toml");
    // That it starts is said before the call.
    crate::product::wait_until("it is started", || !site.executions("a").is_empty());
    let arn = site.execution("a").arn;
    let now = i64::try_from(site.stand_in.now().as_millis()).expect("it fits");
    let event =
        json!({"detail": {"executionArn": arn, "status": "FAILED", "stopDate": now, "error": "Lies"}});
    send(&site, [event.to_string().as_str()]);
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(record(&scratch, "a")["output"]["inline"]["n"], 1);
    assert!(looks(&site) <= 8, "{} looks", looks(&site));
}

/// The event of the first failure comes while the execution runs again.
#[test]
fn an_event_of_before_a_redrive_tells_nothing_of_what_runs_now() {
    let Some(site) = site(|queue| queue.delay = seconds(2.0)) else { return };
    site.stand_in.script(|started| match started.redrives {
        0 => super::load_failed(),
        _ => Script::succeeded(seconds(5.0), json!({"n": 1})),
    });
    let scratch = hearing(&site, &two_operations("a"));
    scratch.run("run t.toml").expect_code(1);
    are_known_to_be_long(&site);
    let before = looks(&site);
    let (code, said) = Running::start(&scratch, "session retry last").end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("started    a (attempt 2), redriven"), "{said}");
    assert_eq!(record(&scratch, "a")["output"]["inline"]["n"], 1);
    // One whether it can be redriven, and one at its end.
    assert_eq!(looks(&site) - before, 2);
}

/// An execution of which an event came while nobody could look is looked at as soon as somebody can.
#[test]
fn what_is_heard_while_step_functions_cannot_be_reached_is_not_forgotten() {
    let Some(site) = site(|_| {}) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(2.0), json!({})));
    let scratch = hearing(&site, &job("a", "", ""));
    are_known_to_be_long(&site);
    let proxy = Proxy::start(&site.stand_in.address);
    proxy.plan(|asked| {
        let is_look = ["DescribeExecution", "GetExecutionHistory"].iter().any(|api| asked.api.ends_with(api));
        (is_look && asked.number <= 2).then_some(Fault::ResetBefore)
    });
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
    let (code, said) = Running::start(&scratch, "run t.toml").end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("AWS answers again"), "{said}");
}

#[test]
fn a_queue_that_is_not_there_or_not_ones_own_is_said_once() {
    let faults = [
        (None, "AWS has no queue `bunsui-events` (`sqs:GetQueueUrl`)"),
        (
            Some(Fault::Error("AccessDeniedException")),
            "AWS denied `sqs:GetQueueUrl` on queue `bunsui-events`",
        ),
        (Some(Fault::Error("InvalidAddress")), "AWS refused `sqs:GetQueueUrl` on queue `bunsui-events`"),
    ];
    at_once(faults, |(fault, said)| {
        let Some(site) = Site::new(Options::default()) else { return };
        site.stand_in.script(|_| quick(json!({})));
        let scratch = hearing(&site, &two_operations("a"));
        let proxy = Proxy::start(&ministack().expect("it runs").address);
        if let Some(fault) = fault {
            proxy.plan(move |asked| asked.api.starts_with("AmazonSQS.").then_some(fault));
        }
        let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SQS", &proxy.address);
        let stderr = scratch.run("run t.toml").expect_code(0).stderr;
        assert_eq!(stderr.matches(&format!("{WARNING}{said}")).count(), 1, "{stderr}");
        assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
        let doctor = scratch.run("doctor").expect_code(3).stdout;
        assert!(doctor.contains("wrong  queue bunsui-events: "), "{doctor}");
    });
}

#[test]
fn a_queue_that_goes_away_within_a_session_is_said_once_and_no_end_is_missed() {
    let gone = "AWS.SimpleQueueService.NonExistentQueue";
    at_once([Fault::Error(gone), Fault::ResetBefore, Fault::Throttled, Fault::InternalError], |fault| {
        let Some(site) = site(|_| {}) else { return };
        // So long that what may pass is said as well.
        site.stand_in.script(|_| Script::succeeded(seconds(3.0), json!({})));
        let after = |at: usize| job(&format!("j{at}"), &format!("depends_on = [\"j{}\"]", at - 1), "");
        let scratch = hearing(&site, &(job("j0", "", "") + &(1..5).map(after).collect::<String>()));
        let proxy = Proxy::start(&ministack().expect("it runs").address);
        let mut received = 0;
        proxy.plan(move |asked| {
            received += u32::from(asked.api == "AmazonSQS.ReceiveMessage");
            (received > 1 && asked.api.starts_with("AmazonSQS.")).then_some(fault)
        });
        let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SQS", &proxy.address);
        let stderr = scratch.run("run t.toml").expect_code(0).stderr;
        assert_eq!(site.created(), [1; 5], "{fault:?}");
        assert_eq!(stderr.matches(WARNING).count(), 1, "{fault:?}: {stderr}");
    });
}

#[test]
fn runners_that_share_a_queue_each_hear_of_all_of_theirs() {
    const JOBS: usize = 12;
    const RUNNERS: usize = 3;
    let Some(site) = site(|_| {}) else { return };
    site.stand_in.script(|started| {
        let number = job_of(&started.machine).trim_start_matches('j').parse::<u32>().unwrap_or_default();
        Script::succeeded(seconds(2.0 + f64::from(number) * 0.1), json!({}))
    });
    let scratch = hearing(&site, &fan_out(JOBS));
    are_known_to_be_long(&site);
    let running = [(); RUNNERS].map(|()| Running::start(&scratch, "run t.toml"));
    for one in running {
        let (code, said) = one.end();
        assert_eq!(code, Some(0), "{said}");
    }
    assert_eq!(site.created(), [1; JOBS * RUNNERS]);
    assert!(looks(&site) <= (JOBS * RUNNERS + 6) as u64, "{} looks", looks(&site));
}

/// What a runner received and did not delete before it was killed comes again, to whoever takes its session up.
#[test]
fn a_runner_that_is_killed_takes_no_event_with_it() {
    let Some(site) = site(|_| {}) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(3.0), json!({})));
    let scratch = hearing(&site, &fan_out(4));
    are_known_to_be_long(&site);
    super::killed_at(&scratch, "started", "run t.toml");
    let (code, said) = Running::start(&scratch, "session resume last").end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(site.created(), [1; 4]);
}
