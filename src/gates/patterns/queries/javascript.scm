; { rejectUnauthorized: false }
(pair
  key: [(property_identifier) (string)] @_name
  value: [(false) (number)] @_value
  (#match? @_name "^['\"]?(rejectUnauthorized|strictSSL|NODE_TLS_REJECT_UNAUTHORIZED)['\"]?$")
  (#any-of? @_value "false" "0")) @javascript-tls-off

; process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"
(assignment_expression
  left: [(member_expression) (subscript_expression)] @_name
  right: [(string) (number)] @_value
  (#match? @_name "NODE_TLS_REJECT_UNAUTHORIZED['\"\\]]*$")
  (#match? @_value "^['\"]?0['\"]?$")) @javascript-tls-off

(assignment_expression
  left: (member_expression property: (property_identifier) @_name)
  right: (false)
  (#any-of? @_name "rejectUnauthorized" "strictSSL")) @javascript-tls-off

; { checkServerIdentity: () => undefined }
(pair
  key: (property_identifier) @_name
  value: (arrow_function body: [(undefined) (null) (statement_block . "}") (true)])
  (#eq? @_name "checkServerIdentity")) @javascript-tls-off
