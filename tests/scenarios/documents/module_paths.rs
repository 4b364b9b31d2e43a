//! The paths in a module's code that lead into its own crate.

#![expect(clippy::wildcard_enum_match_arm, reason = "the grammar of Rust has many variants that a rule need not name")]

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, Macro, MetaList, UseTree, Visibility};

/// The names of its own crate that a module uses, each as a path from the crate's root.
#[derive(Default)]
pub(crate) struct Names {
    /// Names that an import binds in the module, and what each stands for.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// Every path, imports among them.
    pub(crate) paths: BTreeSet<Vec<String>>,
}

/// The names in a module's code, without those in its tests.
pub(crate) fn module_paths(module: &[String], syntax: &File) -> Names {
    let mut collector = Collector { place: module.to_owned(), ..Collector::default() };
    collector.visit_items(&syntax.items);
    collector.names
}

/// The modules that these items declare in files of their own. A file with a `#[path]` belongs to another crate, too, and
/// can't import anything of this one.
pub(crate) fn children(items: &[Item]) -> Vec<String> {
    let is_elsewhere = |module: &ItemMod| module.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
    let declared = modules(items).filter(|module| module.content.is_none() && !is_elsewhere(module));
    declared.map(|module| module.ident.to_string()).collect()
}

/// The modules among these items that are not only there for tests.
fn modules(items: &[Item]) -> impl Iterator<Item = &ItemMod> {
    items.iter().filter_map(|item| match item {
        Item::Mod(module) if !is_for_tests(&module.attrs) => Some(module),
        _ => None,
    })
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string());
        condition.is_ok_and(|condition| condition == "test" || condition.starts_with("all (test"))
    })
}

#[derive(Default)]
struct Collector {
    /// The module of the code: that of the file, and modules inline in it.
    place: Vec<String>,
    /// How many of these are inline.
    depth: usize,
    /// Modules that are declared here, by their names alone.
    children: Vec<String>,
    /// Whether the import being read is a `pub use`.
    is_re_export: bool,
    names: Names,
}

impl Collector {
    fn visit_items(&mut self, items: &[Item]) {
        let children = modules(items).map(|module| module.ident.to_string()).collect();
        let outer = std::mem::replace(&mut self.children, children);
        // Imports first: code may name what is imported below it.
        let is_import = |item: &&Item| matches!(item, Item::Use(_));
        items.iter().filter(is_import).for_each(|item| self.visit_item(item));
        items.iter().filter(|item| !is_import(item)).for_each(|item| self.visit_item(item));
        self.children = outer;
    }

    /// A path from the crate's root, if it is one into the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_owned()),
            "self" | "super" => {
                let ups = path.iter().filter(|part| *part == "super").count();
                let names = path.iter().filter(|part| !["self", "super"].contains(&part.as_str()));
                let above = self.place.len().checked_sub(ups)?;
                Some(self.place[..above].iter().chain(names).cloned().collect())
            }
            // A single name is a variable or an item: no code but a `use` names a module alone.
            _ if self.children.contains(first) && !rest.is_empty() => Some([self.place.as_slice(), path].concat()),
            _ => self.names.imports.get(first).map(|target| [target.as_slice(), rest].concat()),
        }
    }

    fn note(&mut self, path: &[String]) {
        self.names.paths.extend(self.absolute(path));
    }

    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.bind(before.last().cloned(), before),
            UseTree::Name(name) => self.bind(Some(name.ident.to_string()), &with(&name.ident)),
            UseTree::Rename(rename) if rename.ident == "self" => self.bind(Some(rename.rename.to_string()), before),
            UseTree::Rename(rename) => self.bind(Some(rename.rename.to_string()), &with(&rename.ident)),
            UseTree::Glob(_) => self.note(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
        }
    }

    /// Notes an import and the name that it binds. A re-export by itself does not count as an import: a use of the name
    /// does, and is followed to the module that defines it.
    fn bind(&mut self, name: Option<String>, path: &[String]) {
        let Some(target) = self.absolute(path) else { return };
        if !self.is_re_export {
            self.names.paths.insert(target.clone());
        }
        // What an inline module imports is not there for others to name.
        if let Some(name) = name.filter(|_| self.depth == 0) {
            self.names.imports.insert(name, target);
        }
    }

    /// Notes the paths in the tokens of a macro or an attribute.
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.note(&std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.note(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.visit_tokens(group.stream());
                    }
                }
            }
        }
        self.note(&path);
    }
}

impl Visit<'_> for Collector {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Fn(function) => &function.attrs,
            Item::Impl(block) => &block.attrs,
            Item::Mod(module) => &module.attrs,
            Item::Use(import) => &import.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &ItemMod) {
        if let Some((_, items)) = &module.content {
            self.place.push(module.ident.to_string());
            self.depth += 1;
            self.visit_items(items);
            self.depth -= 1;
            self.place.pop();
        }
    }

    fn visit_item_use(&mut self, import: &ItemUse) {
        self.is_re_export = !matches!(import.vis, Visibility::Inherited);
        self.import(&[], &import.tree);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &Macro) {
        visit::visit_macro(self, call);
        self.visit_tokens(call.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &MetaList) {
        self.visit_tokens(list.tokens.clone());
    }

    /// `pub(super)` names a module without using anything of it.
    fn visit_visibility(&mut self, _: &Visibility) {}
}
