//! No crate has a circle of modules: every `use` and every inline path is followed to the module that defines the name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use crate::documents::module_paths::{Names, children, module_paths};
use crate::support::workspace::{files, read, relative};

/// Folders in which every file is a crate of its own.
const CRATES_EACH: [&str; 4] = ["bin", "benches", "fuzz_targets", "tests"];
/// Re-exports of re-exports are followed this far.
const HOPS_MAX: usize = 8;

/// The path of a module in its crate; that of the crate's root is empty.
type ModulePath = Vec<String>;

/// The modules of one crate. A module is a file: inline modules count as part of it.
#[derive(Default)]
struct Modules(BTreeMap<ModulePath, Names>);

impl Modules {
    /// Reads a crate from its root file.
    fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        let folder = root.parent().expect("a file lies in a folder");
        let mut unread = vec![(ModulePath::new(), root.to_owned(), folder.to_owned())];
        while let Some((module, file, folder)) = unread.pop() {
            for name in modules.add(&module, &read(&file)) {
                let child = [module.as_slice(), std::slice::from_ref(&name)].concat();
                let inner = folder.join(&name);
                let candidates = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
                let file = candidates.into_iter().find(|file| file.exists());
                let file = file.unwrap_or_else(|| panic!("{}: there is no module {name}", relative(root)));
                unread.push((child, file, inner));
            }
        }
        modules
    }

    /// Adds a module by its text, and returns the names of the modules that it declares in files of their own.
    fn add(&mut self, module: &[String], text: &str) -> Vec<String> {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
        self.0.insert(module.to_owned(), module_paths(module, &syntax));
        children(&syntax.items)
    }

    /// The module that defines what a path names.
    fn definer(&self, path: &[String]) -> &[String] {
        let mut path = path.to_owned();
        for _ in 0..HOPS_MAX {
            let module = self.longest_module(&path);
            let target = path.get(module.len()).and_then(|name| self.0[module].imports.get(name));
            match target {
                Some(target) => path = [target.as_slice(), &path[module.len() + 1..]].concat(),
                None => return module,
            }
        }
        self.longest_module(&path)
    }

    fn longest_module(&self, path: &[String]) -> &[String] {
        let mut lengths = (0..=path.len()).rev();
        let module = lengths.find_map(|length| self.0.get_key_value(&path[..length]));
        module.map_or(&[], |(module, _)| module.as_slice())
    }

    /// The modules that each module imports.
    fn imports(&self) -> BTreeMap<&[String], BTreeSet<&[String]>> {
        let imports = self.0.iter().map(|(module, names)| {
            let definers = names.paths.iter().map(|path| self.definer(path));
            (module.as_slice(), definers.filter(|definer| definer != module).collect())
        });
        imports.collect()
    }

    /// The shortest circle of each import that is part of one, as `a → b → a`. A circle that contains a smaller one is
    /// left out, because the smaller one must be mended first.
    fn circles(&self) -> Vec<String> {
        let imports = self.imports();
        let edges = imports.iter().flat_map(|(module, imported)| imported.iter().map(move |other| (*module, *other)));
        let ways: Vec<Vec<&[String]>> =
            edges.filter_map(|(module, imported)| shortest_way(&imports, imported, module)).collect();
        let is_smallest = |way: &&Vec<&[String]>| {
            let is_part = |other: &Vec<&[String]>| other.len() < way.len() && other.iter().all(|one| way.contains(one));
            !ways.iter().any(is_part)
        };
        let circles: BTreeSet<String> = ways.iter().filter(is_smallest).map(|way| shown(way)).collect();
        circles.into_iter().collect()
    }
}

/// The shortest chain of imports from one module to another.
fn shortest_way<'m>(
    imports: &BTreeMap<&'m [String], BTreeSet<&'m [String]>>,
    from: &'m [String],
    to: &'m [String],
) -> Option<Vec<&'m [String]>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut visited = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for next in imports.get(last).into_iter().flatten().filter(|next| visited.insert(next)) {
            ways.push_back([way.as_slice(), &[*next]].concat());
        }
    }
    None
}

/// A circle, from its first module in the alphabet back to it.
fn shown(circle: &[&[String]]) -> String {
    let first = circle.iter().enumerate().min_by_key(|(_, module)| **module).map_or(0, |(place, _)| place);
    let modules = circle.iter().cycle().skip(first).take(circle.len() + 1);
    modules.map(|module| module_name(module)).collect::<Vec<_>>().join(" → ")
}

fn module_name(module: &[String]) -> String {
    if module.is_empty() { "(root)".to_owned() } else { module.join("::") }
}

fn is_root(file: &Path) -> bool {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    file.ends_with("lib.rs") || file.ends_with("main.rs") || CRATES_EACH.contains(&&*folder)
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    let roots = files(".rs").into_iter().filter(|file| is_root(file));
    let circles: Vec<String> = roots
        .flat_map(|root| {
            Modules::read(&root).circles().into_iter().map(move |circle| format!("{}: {circle}", relative(&root)))
        })
        .collect();

    assert!(circles.is_empty(), "{} circles of modules:\n{}", circles.len(), circles.join("\n"));
}

/// The circles of a crate whose modules have these names and texts; a root without a name comes first.
fn circles(modules: &[(&str, &str)]) -> Vec<String> {
    let mut read = Modules::default();
    for (name, text) in modules {
        let module: ModulePath = name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        read.add(&module, text);
    }
    read.circles()
}

#[test]
fn modules_that_import_each_other_are_a_circle() {
    let root = ("", "mod a; mod b; mod c;");

    assert_eq!(circles(&[root, ("a", "use crate::b::B;"), ("b", "use super::a::{A, other};")]), ["a → b → a"]);
    let three = [root, ("c", "use crate::b::B;"), ("b", "use crate::a;"), ("a", "use crate::c::C as D;")];
    assert_eq!(circles(&three), ["a → c → b → a"]);
    assert!(circles(&[root, ("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "")]).is_empty());
}

#[test]
fn a_name_that_the_root_re_exports_counts_for_the_module_that_defines_it() {
    let root = ("", "mod a; mod b; pub use a::A; pub use b::{B as Renamed};");

    let hidden = circles(&[root, ("a", "use crate::Renamed;"), ("b", "fn f() -> super::A { todo!() }")]);

    assert_eq!(hidden, ["a → b → a"]);
}

#[test]
fn a_path_in_code_a_macro_or_an_attribute_counts_like_an_import() {
    let root = ("", "mod a; mod b;");
    for path in [
        "fn f(b: crate::b::B) {}",
        "fn f() { super::b::f::<u8>(); }",
        "fn f() { println!(\"{}\", crate::b::NAME); }",
        "#[arg(value_parser = crate::b::parse)] struct A;",
        "mod inline { fn f() { crate::b::f() } }",
    ] {
        assert_eq!(circles(&[root, ("a", path), ("b", "use crate::a::A;")]), ["a → b → a"], "{path}");
    }
}

#[test]
fn a_parent_may_declare_a_child_that_imports_it_but_not_import_the_child() {
    let child = ("a::child", "use super::Parent;");
    let declares = [("", "mod a;"), ("a", "mod child; pub(super) struct Parent;"), child];
    let imports = [("", "mod a;"), ("a", "mod child; use child::Child; struct Parent;"), child];
    let calls = [("", "mod a;"), ("a", "mod child; struct Parent; fn f() { child::f() }"), child];

    let re_exports = [("", "mod a;"), ("a", "mod child; pub(super) use child::Child; struct Parent;"), child];
    let uses = [("", "mod a;"), ("a", "mod child; pub(super) use child::Child; struct Parent(Child);"), child];

    assert!(circles(&declares).is_empty());
    assert!(circles(&re_exports).is_empty());
    assert_eq!(circles(&uses), ["a → a::child → a"]);
    assert_eq!(circles(&imports), ["a → a::child → a"]);
    assert_eq!(circles(&calls), ["a → a::child → a"]);
}

#[test]
fn what_only_tests_import_does_not_count() {
    let root = ("", "mod a; mod b;");
    let a = ("a", "use crate::b::B;");

    assert!(circles(&[root, a, ("b", "#[cfg(test)] mod tests { use super::*; use crate::a::A; }")]).is_empty());
    assert!(
        circles(&[root, a, ("b", "#[cfg(test)] use crate::a::A; #[cfg(test)] fn f() { crate::a::f() }")]).is_empty()
    );
}
