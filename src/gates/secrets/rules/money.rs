//! Payments, shops and exchanges.

use crate::gates::secrets::rule::{Rule, named, token};

pub(super) const RULES: &[Rule] = &[
    token("stripe-key", "a live Stripe key", &["sk_live_", "rk_live_"], r"[sr]k_live_[A-Za-z0-9]{20,250}").entropy(3.0),
    token("stripe-test-key", "a Stripe test key", &["sk_test_", "rk_test_"], r"[sr]k_test_[A-Za-z0-9]{20,250}")
        .entropy(3.0)
        .likely(),
    token("stripe-webhook-secret", "the secret of a webhook", &["whsec_"], r"whsec_[A-Za-z0-9+/]{32,100}={0,2}")
        .entropy(3.5),
    token("square-token", "a Square access token", &["sq0atp-"], r"sq0atp-[A-Za-z0-9_-]{22}").entropy(3.0),
    token("square-secret", "a Square OAuth secret", &["sq0csp-"], r"sq0csp-[A-Za-z0-9_-]{43}").entropy(3.0),
    named("square-access-token", "a Square access token", &["square"], r"EAAA[A-Za-z0-9_-]{60}").entropy(3.5),
    token(
        "braintree-token",
        "a Braintree access token",
        &["access_token$production$"],
        r"access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}",
    ),
    token("shopify-access-token", "a Shopify access token", &["shpat_"], r"shpat_[0-9a-fA-F]{32}").entropy(3.0),
    token("shopify-custom-app-token", "the token of a custom Shopify app", &["shpca_"], r"shpca_[0-9a-fA-F]{32}")
        .entropy(3.0),
    token("shopify-private-app-token", "the token of a private Shopify app", &["shppa_"], r"shppa_[0-9a-fA-F]{32}")
        .entropy(3.0),
    token("shopify-shared-secret", "a Shopify shared secret", &["shpss_"], r"shpss_[0-9a-fA-F]{32}").entropy(3.0),
    token(
        "plaid-access-token",
        "a Plaid access token",
        &["access-sandbox-", "access-development-", "access-production-"],
        r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    named("plaid-secret", "a Plaid secret", &["plaid"], r"[0-9a-f]{30}").entropy(3.0),
    token("razorpay-key", "a live Razorpay key", &["rzp_live_"], r"rzp_live_[A-Za-z0-9]{14}").entropy(3.0),
    token("flutterwave-secret", "a Flutterwave secret key", &["flwseck"], r"FLWSECK(?:_TEST)?-[0-9a-zA-Z]{12,40}-X")
        .entropy(3.0),
    token("mollie-key", "a live Mollie key", &["live_"], r"live_[A-Za-z0-9]{30}").entropy(3.8),
    token("gocardless-token", "a live GoCardless token", &["live_"], r"live_[A-Za-z0-9_-]{40}").entropy(4.0),
    token("easypost-key", "an EasyPost key", &["ezak", "eztk"], r"EZ[AT]K[A-Za-z0-9]{54}"),
    token("shippo-token", "a Shippo token", &["shippo_live_", "shippo_test_"], r"shippo_(?:live|test)_[0-9a-f]{40}"),
    token(
        "duffel-token",
        "a Duffel token",
        &["duffel_live_", "duffel_test_"],
        r"duffel_(?:live|test)_[A-Za-z0-9_-]{43}",
    ),
    named("paypal-secret", "a PayPal client secret", &["paypal"], r"E[A-Za-z0-9_-]{79}").entropy(4.0),
    named(
        "coinbase-secret",
        "a Coinbase secret",
        &["coinbase"],
        r"[A-Za-z0-9_-]{32}|[A-Za-z0-9_-]{64}|[A-Za-z0-9+/]{86}==",
    )
    .entropy(3.5),
    named("binance-secret", "a Binance key", &["binance"], r"[A-Za-z0-9]{64}").entropy(4.0),
    named("infura-key", "an Infura or Alchemy key", &["infura", "alchemy"], r"[0-9a-f]{32}|[A-Za-z0-9_-]{32}")
        .entropy(3.0),
    named("etherscan-key", "an Etherscan key", &["etherscan"], r"[A-Z0-9]{34}").entropy(3.3),
    named(
        "wallet-private-key",
        "the private key of a wallet",
        &["private_key", "privatekey", "wallet_key", "deployer_key", "mnemonic_key"],
        r"(?:0x)?[0-9a-fA-F]{64}",
    )
    .entropy(3.3),
];
