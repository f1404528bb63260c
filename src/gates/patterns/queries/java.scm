; A trust manager that trusts everybody.
(method_declaration
  name: (identifier) @_name
  body: (block . "{" . "}")
  (#any-of? @_name "checkServerTrusted" "checkClientTrusted")) @java-tls-off

; A verifier of host names that says yes.
(method_declaration
  name: (identifier) @_name
  parameters: (formal_parameters) @_parameters
  body: (block . (return_statement (true)) .)
  (#eq? @_name "verify")
  (#match? @_parameters "SSLSession")) @java-tls-off

(method_invocation
  name: (identifier) @_name
  arguments: (argument_list [
    (lambda_expression body: (true))
    (lambda_expression body: (block . (return_statement (true)) .))
    (field_access field: (identifier) @_none)
    (identifier) @_none
  ])
  (#any-of? @_name "setHostnameVerifier" "setDefaultHostnameVerifier" "hostnameVerifier" "setSSLHostnameVerifier")
  (#match? @_none "^(ALLOW_ALL_HOSTNAME_VERIFIER|INSTANCE)?$")) @java-tls-off

(object_creation_expression
  type: (type_identifier) @_type
  (#any-of? @_type "NoopHostnameVerifier" "AllowAllHostnameVerifier" "TrustAllStrategy" "AllowAllTrustManager")) @java-tls-off

(field_access
  object: (identifier) @_type
  (#any-of? @_type "NoopHostnameVerifier" "TrustAllStrategy" "InsecureTrustManagerFactory")) @java-tls-off
