
; <div dangerouslySetInnerHTML={{ __html: text }} />
(jsx_attribute
  (property_identifier) @_name
  (jsx_expression
    (object (pair
      key: (property_identifier) @_html
      value: [(identifier) (member_expression) (subscript_expression) (binary_expression)
              (template_string (template_substitution))] @_value)))
  (#eq? @_name "dangerouslySetInnerHTML")
  (#eq? @_html "__html")
  (#not-match? @_value "(?i:saniti[sz]|escap|purif)|^[A-Z_0-9]+$")) @javascript-html
