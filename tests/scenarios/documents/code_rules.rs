//! Values that belong together have a name: no function takes a tuple, and no `let` takes one apart to save a line.

#![expect(clippy::wildcard_enum_match_arm, reason = "the grammar of Rust has many variants that a rule need not name")]

use std::path::PathBuf;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, File, FnArg, Local, Pat, Signature, Type};

use crate::support::workspace::{files, read, relative};

/// A line that breaks a rule, and how it does.
#[derive(Debug)]
struct Offence {
    line: usize,
    what: String,
}

/// Parameters of functions whose pattern or type is a tuple. References to tuples, arrays, slices and iterators of them
/// are allowed, and so are the parameters of closures.
fn tuple_parameters(file: &File) -> Vec<Offence> {
    struct Parameters(Vec<Offence>);
    impl Visit<'_> for Parameters {
        fn visit_signature(&mut self, signature: &Signature) {
            for argument in &signature.inputs {
                if let FnArg::Typed(typed) = argument
                    && (is_tuple_pattern(&typed.pat) || is_tuple_type(&typed.ty))
                {
                    self.0.push(Offence {
                        line: line(argument),
                        what: format!("a tuple is a parameter of {}", signature.ident),
                    });
                }
            }
            visit::visit_signature(self, signature);
        }
    }

    let mut parameters = Parameters(Vec::new());
    parameters.visit_file(file);
    parameters.0
}

/// Statements like `let (a, b) = (x, y);`. A `let … else` matches both values at once, and is allowed.
fn tuple_lets(file: &File) -> Vec<Offence> {
    struct Lets(Vec<Offence>);
    impl Visit<'_> for Lets {
        fn visit_local(&mut self, local: &Local) {
            let is_match = local.init.as_ref().is_some_and(|init| init.diverge.is_some());
            let value = local.init.as_ref().map(|init| &*init.expr);
            if is_tuple_pattern(&local.pat) && value.is_some_and(is_tuple_expression) && !is_match {
                self.0.push(Offence { line: line(local), what: "two values are bound in one `let`".to_owned() });
            }
            visit::visit_local(self, local);
        }
    }

    let mut lets = Lets(Vec::new());
    lets.visit_file(file);
    lets.0
}

fn is_tuple_pattern(pattern: &Pat) -> bool {
    match pattern {
        Pat::Tuple(_) => true,
        Pat::Paren(inner) => is_tuple_pattern(&inner.pat),
        Pat::Reference(inner) => is_tuple_pattern(&inner.pat),
        Pat::Type(typed) => is_tuple_pattern(&typed.pat),
        _ => false,
    }
}

fn is_tuple_type(kind: &Type) -> bool {
    match kind {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Paren(inner) => is_tuple_type(&inner.elem),
        _ => false,
    }
}

fn is_tuple_expression(expression: &Expr) -> bool {
    match expression {
        Expr::Tuple(_) => true,
        Expr::Paren(inner) => is_tuple_expression(&inner.expr),
        _ => false,
    }
}

fn line(at: &impl Spanned) -> usize {
    at.span().start().line
}

/// All lines of the workspace that break a rule, as `file:line: how`.
fn offences(rule: impl Fn(&File) -> Vec<Offence>) -> Vec<String> {
    let in_file = |path: PathBuf| {
        let file = syn::parse_file(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = relative(&path);
        rule(&file).into_iter().map(move |Offence { line, what }| format!("{name}:{line}: {what}"))
    };
    files(".rs").into_iter().flat_map(in_file).collect()
}

#[test]
fn no_function_takes_a_tuple() {
    let offences = offences(tuple_parameters);

    assert!(offences.is_empty(), "{} tuples are parameters:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn no_let_binds_two_values_to_save_a_line() {
    let offences = offences(tuple_lets);

    assert!(offences.is_empty(), "{} times two values in one `let`:\n{}", offences.len(), offences.join("\n"));
}

fn lines(rule: impl Fn(&File) -> Vec<Offence>, text: &str) -> Vec<usize> {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    rule(&file).into_iter().map(|offence| offence.line).collect()
}

#[test]
fn a_tuple_parameter_is_found_in_every_kind_of_function() {
    for function in [
        "fn f(a: u8, (b, c): (u8, u8)) {}",
        "fn f(both: (u8, u8)) {}",
        "fn f((a, b): Pair) {}",
        "fn f(&(a, b): &(u8, u8)) {}",
        "impl S { fn f(&self, both: (u8, u8)) {} }",
        "trait T { fn f(&self, both: (u8, u8)); }",
        "fn outer() { async fn f(both: (u8, u8)) {} }",
        "mod inline { pub(crate) fn f(both: (u8, u8)) {} }",
    ] {
        assert_eq!(lines(tuple_parameters, function), [1], "{function}");
    }
}

#[test]
fn a_reference_an_array_and_an_iterator_of_tuples_may_be_parameters() {
    for function in [
        "fn f(a: &(u8, u8), b: &[(u8, u8)], c: [(u8, u8); 2], d: Vec<(u8, u8)>, e: impl Iterator<Item = (u8, u8)>) {}",
        "fn f(nothing: ()) {}",
        "fn f() -> (u8, u8) { [(1, 2)].iter().map(|(a, b)| (*a, *b)).next().unwrap() }",
    ] {
        assert_eq!(lines(tuple_parameters, function), [0; 0], "{function}");
    }
}

#[test]
fn a_let_is_found_that_takes_apart_what_it_has_just_put_together() {
    let text =
        "fn f() {\n let (a, b) = (1, 2);\n let (c, mut d): (u8, u8) = (3, 4);\n g(|| { let (e, _) = (a, b); });\n}";
    let fine = "fn f() { let (sender, receiver) = channel(); let both = (1, 2); let (Some(a), Some(b)) = (x, y) else { return }; }";

    assert_eq!(lines(tuple_lets, text), [2, 3, 4]);
    assert_eq!(lines(tuple_lets, fine), [0; 0]);
}
