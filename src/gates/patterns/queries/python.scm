; requests.get(url, verify=False)
(keyword_argument
  name: (identifier) @_name
  value: (false) @_value
  (#any-of? @_name "verify" "verify_ssl" "verify_certs" "check_hostname" "ssl_verify" "tls_verify")) @python-tls-off

; session.verify = False, context.check_hostname = False
(assignment
  left: (attribute attribute: (identifier) @_name)
  right: (false)
  (#any-of? @_name "verify" "check_hostname" "verify_ssl")) @python-tls-off

; context.verify_mode = ssl.CERT_NONE
(assignment
  right: [(attribute attribute: (identifier) @_none) (identifier) @_none]
  (#eq? @_none "CERT_NONE")) @python-tls-off

(keyword_argument
  value: [(attribute attribute: (identifier) @_none) (identifier) @_none]
  (#any-of? @_none "CERT_NONE" "_create_unverified_context")) @python-tls-off

; ssl._create_default_https_context = ssl._create_unverified_context
(assignment
  right: (attribute attribute: (identifier) @_none)
  (#eq? @_none "_create_unverified_context")) @python-tls-off
