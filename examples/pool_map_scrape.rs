//! Web pages that a pool of processes fetches with `map`.
//!
//! Takes URLs as arguments. Without any it asks a small server of its own.

use indicatif::ProgressBar;
use multiproc::{Pool, Semaphore};
use std::error::Error;
use std::{net::TcpListener, thread, time::Duration};
use tiny_http::{Response, Server};

/// Fetches a page, and returns what became of it.
fn scrape((url, done): (String, Semaphore)) -> String {
    let own = url.starts_with("http://127.0.0.1:");
    let request = ureq::get(&url).config().timeout_global(Some(Duration::from_secs(30)));
    // No proxy could reach the server of our own.
    let request = if own { request.proxy(None) } else { request }.build();
    let outcome = match request.call() {
        Ok(response) => format!("<Response [{}]>", response.status().as_u16()),
        Err(ureq::Error::StatusCode(code)) => format!("<Response [{code}]>"),
        Err(error) => format!("Error Occured {url} ({error})"),
    };
    done.release().expect("there are fewer than 2^30 pages");
    format!("{outcome} in process {}\nURL {url} Scraped", std::process::id())
}

/// Starts a server, and returns two addresses that it allows, one that it forbids, and one where
/// nobody listens.
fn serve() -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let server = Server::http("127.0.0.1:0")?;
    let here = format!("http://{}", server.server_addr());
    thread::spawn(move || {
        for request in server.incoming_requests() {
            let code = if request.url() == "/forbidden" { 403 } else { 200 };
            // Who asked may be gone.
            let _ = request.respond(Response::from_string("a page").with_status_code(code));
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok(vec![
        format!("{here}/"),
        format!("{here}/news"),
        format!("{here}/forbidden"),
        format!("http://{closed}/"),
    ])
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut urls: Vec<String> = pace::args().collect();
    if urls.is_empty() {
        urls = serve()?;
    }
    // Every page releases a permit, and every permit moves the bar, if there is a terminal.
    let bar = ProgressBar::new(urls.len() as u64);
    let done = Semaphore::new(0)?;
    let pages: Vec<_> = urls.into_iter().map(|url| (url, done.clone())).collect();
    let moved = bar.clone();
    thread::spawn(move || {
        loop {
            done.acquire();
            moved.inc(1);
        }
    });

    let pool = Pool::builder().workers(3).build()?;
    // Waits for all of them. The results are in the order of the URLs.
    let outcomes = pool.map(pages, scrape)?;
    bar.finish_and_clear();
    for outcome in outcomes {
        println!("{outcome}");
    }
    Ok(())
}
