; tls.Config{InsecureSkipVerify: true}
(keyed_element
  (literal_element (identifier) @_name)
  (literal_element (true))
  (#eq? @_name "InsecureSkipVerify")) @go-tls-off

; config.InsecureSkipVerify = true
(assignment_statement
  left: (expression_list (selector_expression field: (field_identifier) @_name))
  right: (expression_list (true))
  (#eq? @_name "InsecureSkipVerify")) @go-tls-off

; ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()}
(call_expression
  function: (selector_expression field: (field_identifier) @_name)
  (#eq? @_name "InsecureIgnoreHostKey")) @go-tls-off
