//! Chat, mail, telephony and social networks.

use super::cloud::UUID;
use crate::gates::secrets::rule::{Rule, named, token, within};

pub(super) const RULES: &[Rule] = &[
    token("slack-bot-token", "a Slack bot token", &["xoxb-"], r"xoxb-[0-9]{8,14}-[0-9]{8,14}-[A-Za-z0-9]{18,34}")
        .entropy(3.0),
    token("slack-user-token", "a Slack user token", &["xoxp-"], r"xoxp-(?:[0-9]{8,14}-){2,3}[A-Za-z0-9]{24,36}")
        .entropy(3.0),
    token("slack-app-token", "a Slack app token", &["xapp-"], r"xapp-\d-[A-Z0-9]{8,14}-\d{8,15}-[0-9a-f]{60,70}")
        .entropy(3.0),
    token(
        "slack-config-token",
        "a Slack configuration token",
        &["xoxe.xox", "xoxe-"],
        r"xoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{140,200}",
    ),
    token(
        "slack-session-token",
        "a Slack session token",
        &["xoxa-", "xoxo-", "xoxr-", "xoxs-", "xoxc-", "xoxd-"],
        r"xox[aorscd]-[A-Za-z0-9%-]{24,200}",
    )
    .entropy(3.0),
    token(
        "slack-webhook",
        "a Slack webhook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/((?:services|workflows|triggers)/[A-Za-z0-9]{8,12}/[A-Za-z0-9]{8,20}/[A-Za-z0-9/]{20,60})",
    )
    .entropy(3.0),
    token(
        "discord-webhook",
        "a Discord webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/([0-9]{17,20}/[A-Za-z0-9_-]{60,80})",
    ),
    named(
        "discord-bot-token",
        "the token of a Discord bot",
        &["discord", "bot_token", "bottoken"],
        r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",
    )
    .entropy(4.0),
    named(
        "discord-client-secret",
        "a Discord client secret",
        &["discord_client", "discordclient", "discord_secret"],
        r"[A-Za-z0-9_-]{32}",
    )
    .entropy(3.5),
    within("telegram-bot-token", "the token of a Telegram bot", &[":aa"], r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}")
        .entropy(4.0),
    token(
        "twilio-key",
        "a Twilio API key",
        &[
            "sk0", "sk1", "sk2", "sk3", "sk4", "sk5", "sk6", "sk7", "sk8", "sk9", "ska", "skb", "skc", "skd", "ske",
            "skf",
        ],
        r"SK[0-9a-f]{32}",
    )
    .entropy(3.2),
    named("twilio-auth-token", "a Twilio auth token", &["twilio"], r"[0-9a-f]{32}").entropy(3.0),
    token("sendgrid-key", "a SendGrid API key", &["sg."], r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    token("mailgun-key", "a Mailgun key", &["key-"], r"key-[0-9a-f]{32}").entropy(3.2),
    named("mailgun-signing-key", "a Mailgun key", &["mailgun"], r"[0-9a-f]{32}(?:-[0-9a-f]{8}-[0-9a-f]{8})?")
        .entropy(3.0),
    within(
        "mailchimp-key",
        "a Mailchimp key",
        &["-us1", "-us2", "-us3", "-us4", "-us5", "-us6", "-us7", "-us8", "-us9"],
        r"[0-9a-f]{32}-us[0-9]{1,2}",
    )
    .entropy(3.0),
    token("brevo-key", "a Brevo key", &["xkeysib-", "xsmtpsib-"], r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    named("postmark-token", "a Postmark token", &["postmark"], UUID).entropy(3.0),
    named("mandrill-key", "a Mandrill key", &["mandrill"], r"(?:md-)?[A-Za-z0-9_-]{22}").entropy(3.5),
    token("resend-key", "a Resend key", &["re_"], r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{22,30}").entropy(3.8),
    token(
        "teams-webhook",
        "a Microsoft Teams webhook",
        &["webhook.office.com/webhookb2/"],
        r"webhook\.office\.com/webhookb2/([0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36})",
    ),
    token(
        "google-chat-webhook",
        "a Google Chat webhook",
        &["chat.googleapis.com/v1/spaces/"],
        r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{8,16}/messages\?(key=[A-Za-z0-9_-]{30,50}&token=[A-Za-z0-9_%=-]{30,60})",
    ),
    named("zendesk-token", "a Zendesk token", &["zendesk"], r"[A-Za-z0-9]{40}").entropy(3.8),
    token(
        "hubspot-token",
        "a HubSpot token",
        &["pat-na1-", "pat-na2-", "pat-eu1-"],
        r"pat-(?:na|eu)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    named("intercom-token", "an Intercom token", &["intercom"], r"[A-Za-z0-9=_-]{60}").entropy(3.8),
    named("messagebird-key", "a MessageBird key", &["messagebird", "message_bird"], r"[A-Za-z0-9]{25}").entropy(3.5),
    named("pusher-secret", "a Pusher secret", &["pusher_secret", "pusher_app_secret", "pusher_key"], r"[0-9a-f]{20}")
        .entropy(2.9),
    named("vonage-secret", "a Vonage secret", &["vonage", "nexmo"], r"[A-Za-z0-9]{16}").entropy(3.2),
    token("facebook-token", "a Facebook access token", &["eaa"], r"EAA[A-Z][A-Za-z0-9]{99,300}").entropy(5.0),
    named(
        "facebook-secret",
        "a Facebook app secret",
        &["facebook", "fb_app", "fb_secret", "instagram"],
        r"[0-9a-f]{32}",
    )
    .entropy(3.0),
    token(
        "twitter-bearer-token",
        "a Twitter bearer token",
        &["aaaaaaaaaaaaaaaaaaaaa"],
        r"A{21,24}[A-Za-z0-9%]{60,120}",
    )
    .entropy(3.5),
    named(
        "twitter-secret",
        "a Twitter key or secret",
        &["twitter"],
        r"[A-Za-z0-9]{25}|[A-Za-z0-9]{45}|[A-Za-z0-9]{50}|[0-9]{15,20}-[A-Za-z0-9]{20,40}",
    )
    .entropy(3.5),
    named(
        "linkedin-secret",
        "a LinkedIn client secret",
        &["linkedin"],
        r"[A-Za-z0-9]{16}|WPL_AP1\.[A-Za-z0-9]{16}\.[A-Za-z0-9+/]{6}==",
    )
    .entropy(3.2),
    token("matrix-token", "a Matrix access token", &["syt_"], r"syt_[A-Za-z0-9]{2,60}_[A-Za-z0-9]{20}_[A-Za-z0-9]{6}"),
];
