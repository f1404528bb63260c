//! The page as a whole: its head, its parts in order, and what they may load, which is nothing.

use super::markup::Html;
use super::model::RunPage;
use super::{failures, gates, layers, overview, tasks, timeline};
use crate::base::BlobDigest;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of a run.
#[must_use]
pub fn html(run: &RunPage) -> String {
    let mut body = Html::default();
    overview::draw(run, &mut body);
    body.raw("<main id=\"main\">\n");
    overview::figures(run, &mut body);
    failures::draw(run, &mut body);
    timeline::draw(run, &mut body);
    layers::draw(run, &mut body);
    tasks::draw(run, &mut body);
    gates::draw(run, &mut body);
    overview::notices(run, &mut body);
    body.raw("</main>\n");
    body.fill(
        "<footer><p>orca {}, run {}. This page holds all it shows and loads nothing.</p></footer>\n",
        &[&run.version, &run.run],
    );
    // Whoever writes into a log cannot know the digest of the page that the log becomes a part of.
    let nonce = BlobDigest::of(body.as_str().as_bytes()).to_string();
    let nonce = &nonce[..32];
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.fill(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'nonce-{}'; \
         script-src 'nonce-{}'; img-src data:; base-uri 'none'; form-action 'none'\">\n",
        &[&nonce, &nonce],
    );
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    // Without one a browser asks the page's host for an icon.
    page.raw("<link rel=\"icon\" href=\"data:,\">\n");
    page.fill("<title>{} {}, run {}</title>\n", &[&overview::end_word(run.end), &overview::plan_name(run), &run.run]);
    page.fill("<style nonce=\"{}\">\n", &[&nonce]).raw(STYLE).raw("</style>\n</head>\n<body>\n");
    page.append(&body);
    page.fill("<script nonce=\"{}\">\n", &[&nonce]).raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    page.into_string()
}
