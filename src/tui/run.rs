//! The loop: keys, time, signals and answers go in; frames and requests come out.

use super::message::{Answer, Effect, Message, Request};
use super::sixteen::Sixteen;
use super::source::Source;
use super::state::State;
use super::update::update;
use super::view::{Theme, view};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event,
};
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use std::io::{Stdout, stdout};
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// How often is looked whether something is due. Nothing is drawn for it.
const TICK: Duration = Duration::from_millis(300);

/// Shows the terminal until its user leaves or a signal ends it. Whatever ends it, the terminal is as it was.
pub(crate) fn run(source: &dyn Source, theme: Theme, runtime: &Runtime) -> std::io::Result<()> {
    let mut screen = Screen::open()?;
    let (messages, inbox) = unbounded_channel();
    listen(messages.clone());
    let over = CancellationToken::new();
    std::thread::scope(|scope| {
        // What takes long shall not keep what is quick from being read.
        let (reads, to_read) = mpsc::channel();
        let (acts, to_do) = mpsc::channel();
        for requests in [to_read, to_do] {
            let (messages, over) = (messages.clone(), over.clone());
            scope.spawn(move || serve(source, &requests, &messages, &over, runtime));
        }
        let asked = move |request: Request| {
            let to = if matches!(request, Request::Command(..)) { &acts } else { &reads };
            let _ = to.send(request);
        };
        let ended = runtime.block_on(drive(&mut screen, source, theme, inbox, asked, &over));
        over.cancel();
        // Before anything else is waited for.
        drop(screen);
        ended
    })
}

/// The terminal, taken; given back with this value.
struct Screen {
    terminal: Terminal<CrosstermBackend<Sixteen<Stdout>>>,
}

impl Screen {
    fn open() -> std::io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(Sixteen::new(stdout())))?;
        let mut screen = Self { terminal };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste);
            let _ = ratatui::try_restore();
            hook(panic);
        }));
        screen.enter()?;
        Ok(screen)
    }

    /// Gives the terminal back for a while.
    fn leave(&mut self) {
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste);
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }

    /// Takes it again, whatever was done with it meanwhile.
    fn enter(&mut self) -> std::io::Result<()> {
        // It remembers that it was on, and would do nothing.
        disable_raw_mode()?;
        enable_raw_mode()?;
        let modes = (EnterAlternateScreen, cursor::Hide);
        execute!(stdout(), modes.0, modes.1, EnableMouseCapture, EnableBracketedPaste)?;
        self.wipe()
    }

    /// The next frame is drawn as a whole. ratatui's own way asks the terminal for its cursor, and the answer would be taken
    /// for keys by whoever hears those.
    fn wipe(&mut self) -> std::io::Result<()> {
        self.terminal.swap_buffers();
        execute!(stdout(), Clear(ClearType::All))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Stops this process and what it was started with, as Ctrl-Z does where nobody takes that key; until a shell lets it go on.
async fn stop(go_on: &mut tokio::signal::unix::Signal) {
    /// Where nobody could let it go on, such a signal does nothing.
    const LONGEST: Duration = Duration::from_millis(300);
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
    // Another thread may be the one that it stops.
    let _ = tokio::time::timeout(LONGEST, go_on.recv()).await;
}

/// Hears keys and the mouse, for as long as the process lives: a read of the terminal cannot be called off.
fn listen(messages: UnboundedSender<Message>) {
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let message = match event {
                Event::Key(key) => Message::Key(key),
                Event::Mouse(mouse) => Message::Mouse(mouse),
                Event::Resize(width, height) => Message::Resize(width, height),
                Event::Paste(text) => Message::Paste(text),
                Event::FocusGained | Event::FocusLost => continue,
            };
            if messages.send(message).is_err() {
                break;
            }
        }
    });
}

/// Answers requests one by one, until there will be no more. A panic here ends the terminal, too.
fn serve(
    source: &dyn Source,
    requests: &mpsc::Receiver<Request>,
    messages: &UnboundedSender<Message>,
    over: &CancellationToken,
    runtime: &Runtime,
) {
    let _guard = over.clone().drop_guard();
    while let Ok(request) = requests.recv() {
        let answer = runtime.block_on(async {
            tokio::select! {
                answer = answer(source, request) => Some(answer),
                () = over.cancelled() => None,
            }
        });
        let Some(answer) = answer else { return };
        if messages.send(Message::Answer(answer)).is_err() {
            return;
        }
    }
}

async fn answer(source: &dyn Source, request: Request) -> Answer {
    match request {
        Request::Sessions => Answer::Sessions(source.sessions(super::state::MOST_SESSIONS).await),
        Request::Counts(ids) => Answer::Counts(source.counts(&ids).await),
        Request::Open(id) => {
            let opened = source.open(&id).await;
            Answer::Opened(id, Box::new(opened))
        }
        Request::Page(id, after) => {
            let page = source.page(&id, after).await;
            Answer::Page(id, Box::new(page))
        }
        Request::Logs(of, given) => {
            let logs = source.logs(&of.session, of.job.as_deref(), given).await;
            Answer::Logs(of, logs)
        }
        Request::Pipelines => Answer::Pipelines(source.pipelines().await),
        Request::Command(purpose, command) => {
            let said = source.command(&command).await;
            Answer::Said(purpose, command, said)
        }
    }
}

async fn drive(
    screen: &mut Screen,
    source: &dyn Source,
    theme: Theme,
    mut inbox: UnboundedReceiver<Message>,
    asked: impl Fn(Request),
    over: &CancellationToken,
) -> std::io::Result<()> {
    let mut state = State::new(source.place(), screen.terminal.size()?, Timestamp::now());
    state.is_remote = source.is_remote();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut signals, mut go_on) = (Signals::new()?, go_on()?);
    loop {
        let first = tokio::select! {
            Some(message) = inbox.recv() => message,
            _ = tick.tick() => Message::Tick(Timestamp::now()),
            () = signals.any() => return Ok(()),
            // Something else had stopped it, and the terminal may have been used.
            _ = go_on.recv() => {
                screen.enter()?;
                state.is_stale = true;
                Message::Tick(Timestamp::now())
            }
            () = over.cancelled() => return Ok(()),
        };
        // All that came meanwhile is one frame.
        let mut next = Some(first);
        while let Some(message) = next {
            for effect in update(&mut state, message) {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::Suspend => {
                        screen.leave();
                        stop(&mut go_on).await;
                        screen.enter()?;
                        state.is_stale = true;
                    }
                    Effect::Redraw => screen.wipe()?,
                    Effect::Ask(request) => asked(request),
                }
            }
            next = inbox.try_recv().ok();
        }
        if std::mem::take(&mut state.is_stale) {
            screen.terminal.draw(|frame| {
                // Of another size than is known, it is drawn as soon as that is told.
                if frame.area().as_size() == state.size {
                    view(&state, theme, frame);
                }
            })?;
        }
    }
}

/// What tells a program that was stopped that it goes on.
fn go_on() -> std::io::Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))
}

/// What ends a program that nobody looks at any more.
struct Signals {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
        let [terminate, hangup, interrupt] = kinds.map(signal);
        Ok(Self { signals: [terminate?, hangup?, interrupt?] })
    }

    async fn any(&mut self) {
        let [terminate, hangup, interrupt] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
