//! Logs, metrics, alerts, and who counts visitors.

use super::cloud::UUID;
use crate::gates::secrets::rule::{Rule, named, token};

pub(super) const RULES: &[Rule] = &[
    named(
        "datadog-key",
        "a Datadog key",
        &["datadog", "dd_api", "dd-api", "dd_app", "dd-app", "ddapi"],
        r"[0-9a-f]{32}|[0-9a-f]{40}|ddapp_[A-Za-z0-9]{34}",
    )
    .entropy(3.0),
    token("newrelic-user-key", "a New Relic user key", &["nrak-"], r"NRAK-[A-Z0-9]{27}").entropy(3.0),
    token("newrelic-ingest-key", "a New Relic ingest key", &["nrii-"], r"NRII-[A-Za-z0-9_-]{32}").entropy(3.0),
    named(
        "newrelic-licence-key",
        "a New Relic licence key",
        &["new_relic", "newrelic", "new-relic"],
        r"[0-9a-f]{36}NRAL|[0-9a-f]{40}",
    )
    .entropy(3.0),
    token("grafana-cloud-token", "a Grafana Cloud token", &["glc_"], r"glc_[A-Za-z0-9+/]{32,400}={0,2}").entropy(3.5),
    token(
        "grafana-service-token",
        "a Grafana service account token",
        &["glsa_"],
        r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}",
    ),
    token("grafana-api-key", "a Grafana API key", &["eyjrijoi"], r"eyJrIjoi[A-Za-z0-9+/]{60,400}={0,2}"),
    token("honeycomb-key", "a Honeycomb key", &["hcaik_", "hcbik_", "hcxik_"], r"hc[abx]ik_[a-z0-9]{58}"),
    named("honeycomb-legacy-key", "a Honeycomb key", &["honeycomb"], r"[A-Za-z0-9]{22}|[0-9a-f]{32}").entropy(3.2),
    token(
        "dynatrace-token",
        "a Dynatrace token",
        &["dt0c01.", "dt0s01.", "dt0s16."],
        r"dt0[cs](?:01|16)\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    ),
    named("splunk-token", "a Splunk token", &["splunk", "hec_token"], UUID).entropy(3.0),
    named("sumologic-key", "a Sumo Logic key", &["sumologic", "sumo_access", "sumo_logic"], r"[A-Za-z0-9]{64}")
        .entropy(4.0),
    named("rollbar-token", "a Rollbar token", &["rollbar"], r"[0-9a-f]{32}").entropy(3.0),
    named("pagerduty-key", "a PagerDuty key", &["pagerduty", "pager_duty"], r"[A-Za-z0-9+_-]{20}|[0-9a-f]{32}")
        .entropy(3.2),
    named("opsgenie-key", "an Opsgenie key", &["opsgenie"], UUID).entropy(3.0),
    token("sentry-user-token", "a Sentry user token", &["sntryu_"], r"sntryu_[0-9a-f]{64}"),
    token("sentry-org-token", "a Sentry organization token", &["sntrys_"], r"sntrys_eyJ[A-Za-z0-9+/=_-]{60,400}"),
    named("sentry-legacy-token", "a Sentry token", &["sentry"], r"[0-9a-f]{64}").entropy(3.0),
    token("posthog-key", "a personal PostHog key", &["phx_"], r"phx_[A-Za-z0-9]{43,47}").entropy(3.5),
    named("segment-key", "a Segment write key", &["segment"], r"[A-Za-z0-9]{32}").entropy(3.5).likely(),
    named("logdna-key", "a LogDNA or Mezmo key", &["logdna", "mezmo"], r"[0-9a-f]{32}").entropy(3.0),
    named("loggly-token", "a Loggly token", &["loggly"], UUID).entropy(3.0),
    named("logzio-token", "a Logz.io token", &["logzio", "logz_io"], r"[A-Za-z]{32}").entropy(3.5),
    named("amplitude-key", "an Amplitude or Mixpanel secret", &["amplitude", "mixpanel"], r"[0-9a-f]{32}")
        .entropy(3.0)
        .likely(),
    named("bugsnag-key", "a Bugsnag key", &["bugsnag"], r"[0-9a-f]{32}").entropy(3.0).likely(),
];
