//! `bunsui infra template|deploy|status|delete`: what bunsui needs on AWS.

use super::aws::{connect, failure};
use super::load::need_aws_backend;
use super::store::block_on;
use super::{Context, Exit, Failure, Outcome};
use crate::backend::aws::{
    self, Connection, StackChange, Stacks, TEMPLATES, WantedStack, parameters, template,
};
use crate::diagnostic::nearest;
use std::collections::BTreeMap;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print a template
    Template(TemplateArgs),
    /// Make or update tables, bucket and policies, and the queue of events where it is wanted; what would change is shown first
    Deploy(DeployArgs),
    /// What is there
    Status,
    /// Delete the stacks; tables and bucket stay, with all that is in them
    Delete,
}

#[derive(Debug, clap::Args)]
pub(super) struct TemplateArgs {
    /// Which
    #[arg(value_name = "NAME", value_parser = TEMPLATES.map(|(name, _)| name))]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeployArgs {
    /// Show what would change, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Let tables be deleted
    #[arg(long)]
    no_deletion_protection: bool,
    /// A value of a template's parameter (`bunsui infra template` prints them); others keep what they have
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has to be NAME=VALUE")?;
    let known = || SHARED.iter().chain([&EVENTS]).flat_map(|stack| parameters(template(stack)));
    if matches!(name, "Prefix" | "BucketName") {
        return Err(format!("`{name}` is a setting: `[aws] prefix`, `[aws] bucket`"));
    }
    if known().any(|known| known == name) {
        return Ok((name.to_owned(), value.to_owned()));
    }
    Err(match nearest(name, known()) {
        Some(near) => format!("no template has a parameter `{name}`: did you mean `{near}`?"),
        None => format!("no template has a parameter `{name}`"),
    })
}

/// The stacks that every pipeline shares, in the order in which they are made.
const SHARED: [&str; 3] = ["tables", "bucket", "policies"];

/// The stack that is made only where `[aws] events` is `true`.
const EVENTS: &str = "events";

fn wanted_stacks(connection: &Connection) -> impl Iterator<Item = &'static str> {
    SHARED.into_iter().chain(connection.has_events_stack().then_some(EVENTS))
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    match command {
        Command::Template(args) => {
            context.console.raw(template(&args.name));
            Ok(Exit::Done)
        }
        Command::Deploy(args) => block_on(deploy(args, context))?,
        Command::Status => block_on(status(context))?,
        Command::Delete => block_on(delete(context))?,
    }
}

fn stack_name(connection: &Connection, name: &str) -> String {
    format!("{}{name}", connection.prefix())
}

fn wanted(connection: &Connection, name: &str, args: &DeployArgs) -> Result<WantedStack, Failure> {
    let template = aws::template(name);
    let mut values = vec![("Prefix".to_owned(), connection.prefix().to_owned())];
    if args.no_deletion_protection {
        values.push(("DeletionProtection".to_owned(), "false".to_owned()));
    }
    if aws::parameters(template).any(|known| known == "BucketName") {
        values.push(("BucketName".to_owned(), connection.bucket().map_err(failure)?.to_owned()));
    }
    values.extend(args.parameters.iter().cloned());
    // CloudFormation refuses a value of a parameter that a template has not.
    values.retain(|(name, _)| aws::parameters(template).any(|known| known == name));
    let parameters = BTreeMap::from_iter(values);
    Ok(WantedStack { name: stack_name(connection, name), template: template.to_owned(), parameters })
}

async fn deploy(args: &DeployArgs, context: &Context) -> Outcome {
    need_aws_backend(context)?;
    let connection = connect(context).await?;
    let stacks = Stacks::new(connection);
    let console = &context.console;
    console.talk(format!("account {}, {}", connection.account(), connection.region()));
    // All is known before anything is made.
    let wanted: Vec<WantedStack> =
        wanted_stacks(connection).map(|name| wanted(connection, name, args)).collect::<Result<_, _>>()?;
    for wanted in wanted {
        let prepared = stacks.prepare(&wanted).await.map_err(failure)?;
        if prepared.changes.is_empty() {
            console.talk(format!("stack {}: as it is wanted", wanted.name));
            continue;
        }
        console.talk(format!("stack {}:", wanted.name));
        for change in &prepared.changes {
            console.talk(format!("  {}", change_line(change)));
        }
        if args.dry_run {
            stacks.discard(prepared).await.map_err(failure)?;
            continue;
        }
        let state = stacks.execute(prepared).await.map_err(failure)?;
        console.talk(format!("  {}", state.words()));
    }
    if args.dry_run {
        console.talk("nothing was done (`--dry-run`)");
    }
    Ok(Exit::Done)
}

fn change_line(change: &StackChange) -> String {
    let replaces = if change.replaces { ", made anew" } else { "" };
    format!("{:6}  {} ({}){replaces}", change.action.to_lowercase(), change.resource, change.kind)
}

async fn status(context: &Context) -> Outcome {
    need_aws_backend(context)?;
    let connection = connect(context).await?;
    let stacks = Stacks::new(connection);
    let mut is_whole = true;
    for name in wanted_stacks(connection) {
        let stack = stack_name(connection, name);
        match stacks.state(&stack).await.map_err(failure)? {
            None => {
                is_whole = false;
                context.console.data(format!("{stack}: not there"));
            }
            Some(state) => {
                is_whole &= matches!(
                    state.status.as_str(),
                    "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE"
                );
                context.console.data(format!("{stack}: {}", state.words()));
                for (name, value) in &state.outputs {
                    context.console.data(format!("  {name} = {value}"));
                }
            }
        }
    }
    if !is_whole {
        context.console.talk("to make what is not there: bunsui infra deploy");
        return Ok(Exit::Surroundings);
    }
    Ok(Exit::Done)
}

async fn delete(context: &Context) -> Outcome {
    need_aws_backend(context)?;
    let connection = connect(context).await?;
    let stacks = Stacks::new(connection);
    // It may be there though it is wanted no more.
    for name in [EVENTS].iter().chain(SHARED.iter().rev()) {
        let stack = stack_name(connection, name);
        let was_there = stacks.delete(&stack).await.map_err(failure)?;
        if *name == EVENTS && !was_there && !connection.has_events_stack() {
            continue;
        }
        context.console.talk(format!("stack {stack}: {}", if was_there { "deleted" } else { "not there" }));
    }
    context.console.talk(
        "tables and bucket stay, with all that is in them: whoever wants them gone deletes them by hand, \
         the tables' deletion protection first",
    );
    Ok(Exit::Done)
}
