//! The languages that our pages speak, each with one Fluent file, and which of them a browser asks for.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// A language, named by its tag (BCP 47).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
pub(crate) enum Language {
    #[strum(serialize = "en")]
    English,
    #[strum(serialize = "de")]
    German,
    #[strum(serialize = "es")]
    Spanish,
    #[strum(serialize = "pt")]
    Portuguese,
    #[strum(serialize = "fr")]
    French,
    #[strum(serialize = "it")]
    Italian,
    #[strum(serialize = "ru")]
    Russian,
    #[strum(serialize = "tr")]
    Turkish,
    #[strum(serialize = "ar")]
    Arabic,
    // Browsers of old call it `in`.
    #[strum(to_string = "id", serialize = "in")]
    Indonesian,
}

/// Wishes of a browser that are looked at: people have a few languages, and an attacker may name thousands.
const WISHES_MAX: usize = 32;

/// Every language's texts, in the order of the enum.
static BUNDLES: LazyLock<Vec<FluentBundle<FluentResource>>> =
    LazyLock::new(|| Language::VARIANTS.iter().map(|language| language.bundle()).collect());

impl Language {
    /// As `lang` and addresses write it.
    pub(crate) fn tag(self) -> &'static str {
        self.into()
    }

    /// The language of a tag such as `pt-BR`, whatever its country.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?.trim().to_ascii_lowercase();
        primary.parse().ok()
    }

    /// What its speakers call it.
    pub(crate) const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Spanish => "Español",
            Self::Portuguese => "Português",
            Self::French => "Français",
            Self::Italian => "Italiano",
            Self::Russian => "Русский",
            Self::Turkish => "Türkçe",
            Self::Arabic => "العربية",
            Self::Indonesian => "Bahasa Indonesia",
        }
    }

    /// The value of `dir`: in which direction it is written.
    pub(crate) const fn direction(self) -> &'static str {
        match self {
            Self::Arabic => "rtl",
            Self::English
            | Self::German
            | Self::Spanish
            | Self::Portuguese
            | Self::French
            | Self::Italian
            | Self::Russian
            | Self::Turkish
            | Self::Indonesian => "ltr",
        }
    }

    /// The language that a browser's `Accept-Language` weighs most, of those that we speak (RFC 9110, §12.5.4).
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let mut best = None::<(Self, f32)>;
        for wish in header.split(',').take(WISHES_MAX) {
            let mut parts = wish.split(';').map(str::trim);
            let language = parts.next().and_then(Self::of_tag);
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
            let Some((language, weight)) = language.zip(weight.ok()) else { continue };
            // Of equal ones the first counts.
            if weight > best.map_or(0.0, |(_, weight)| weight) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// A text with its variables filled in; `None` if it is missing or a variable is.
    pub(crate) fn text(self, id: &str, values: &FluentArgs<'_>) -> Option<String> {
        let bundle = BUNDLES.get(self as usize)?;
        let pattern = bundle.get_message(id)?.value()?;
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(values), &mut errors).into_owned();
        errors.is_empty().then_some(text)
    }

    const fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("languages/en.ftl"),
            Self::German => include_str!("languages/de.ftl"),
            Self::Spanish => include_str!("languages/es.ftl"),
            Self::Portuguese => include_str!("languages/pt.ftl"),
            Self::French => include_str!("languages/fr.ftl"),
            Self::Italian => include_str!("languages/it.ftl"),
            Self::Russian => include_str!("languages/ru.ftl"),
            Self::Turkish => include_str!("languages/tr.ftl"),
            Self::Arabic => include_str!("languages/ar.ftl"),
            Self::Indonesian => include_str!("languages/id.ftl"),
        }
    }

    /// What Fluent can't read is left out, and a test finds it: it is missing then.
    fn bundle(self) -> FluentBundle<FluentResource> {
        let mut bundle = FluentBundle::new_concurrent(vec![self.tag().parse().unwrap_or_default()]);
        let resource = FluentResource::try_new(self.file().to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource(resource).ok();
        bundle
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

    use super::*;
    use crate::texts;

    #[test]
    fn a_browser_gets_the_language_that_it_weighs_most_of_those_that_we_speak() {
        let accepted = [
            ("de-AT,de;q=0.9,en;q=0.8", Some(Language::German)),
            ("nl, pt-BR;q=0.3, fr;q=0.7", Some(Language::French)),
            ("AR-eg", Some(Language::Arabic)),
            ("in", Some(Language::Indonesian)),
            ("it;q=0, *;q=0.5", None),
            ("tr;q=many, ru;q=0.1", Some(Language::Russian)),
            ("zh-Hant, ja", None),
            ("", None),
        ];

        for (header, language) in accepted {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
        let too_many = "xx,".repeat(WISHES_MAX) + "de";
        assert_eq!(Language::accepted(&too_many), None);
    }

    fn variables_of(pattern: &Pattern<&str>, found: &mut BTreeSet<String>) {
        for element in &pattern.elements {
            let PatternElement::Placeable { expression } = element else { continue };
            let selector = match expression {
                Expression::Inline(selector) => selector,
                Expression::Select { selector, variants } => {
                    variants.iter().for_each(|variant| variables_of(&variant.value, found));
                    selector
                }
            };
            if let InlineExpression::VariableReference { id } = selector {
                found.insert(id.name.to_owned());
            }
        }
    }

    /// The ids of a file's texts, with the variables of each.
    fn texts_of(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let resource = fluent_syntax::parser::parse(language.file());
        let resource = resource.unwrap_or_else(|(_, errors)| panic!("{}.ftl: {errors:?}", language.tag()));
        let mut texts = BTreeMap::new();
        for entry in &resource.body {
            let Entry::Message(message) = entry else { continue };
            let mut variables = BTreeSet::new();
            variables_of(message.value.as_ref().expect("it has a text"), &mut variables);
            let first = texts.insert(message.id.name.to_owned(), variables);
            assert_eq!(first, None, "{}.ftl has {} twice", language.tag(), message.id.name);
        }
        texts
    }

    #[test]
    fn every_language_has_the_texts_and_variables_that_the_pages_use_and_no_others() {
        let used: BTreeMap<String, BTreeSet<String>> = texts::ALL
            .iter()
            .map(|text| (text.id.to_owned(), text.variables.iter().map(|name| (*name).to_owned()).collect()))
            .collect();

        for language in Language::VARIANTS {
            let mut texts = texts_of(*language);
            // It refers to `day`, so the variables of that are its own, too.
            let day = texts["day"].clone();
            texts.get_mut("moment").expect("it is there").extend(day);
            for (id, variables) in &used {
                assert_eq!(texts.get(id), Some(variables), "{id} in {}.ftl", language.tag());
            }
            let unused: Vec<&String> = texts.keys().filter(|id| !used.contains_key(*id)).collect();
            assert_eq!(unused, Vec::<&String>::new(), "{}.ftl", language.tag());
        }
    }

    #[test]
    fn every_text_is_written_out_in_every_language_and_one_without_its_variables_is_not() {
        for language in Language::VARIANTS {
            for text in texts::ALL {
                let mut values = FluentArgs::new();
                text.variables.iter().for_each(|name| values.set(*name, "7"));
                let written = language.text(text.id, &values);
                let written = written.unwrap_or_else(|| panic!("{} in {}", text.id, language.tag()));
                assert!(!written.trim().is_empty() && !written.contains('{'), "{written}");

                let without = language.text(text.id, &FluentArgs::new());
                assert_eq!(without.is_some(), text.variables.is_empty(), "{} in {}", text.id, language.tag());
            }
        }
    }

    #[test]
    fn a_text_is_translated_and_not_copied() {
        // Names and words that other languages share with English.
        let shared = ["deletion-code", "service", "kind-other"];
        let english = texts_of(Language::English);
        for language in Language::VARIANTS.iter().filter(|language| **language != Language::English) {
            for id in english.keys().filter(|id| !shared.contains(&id.as_str())) {
                let mut values = FluentArgs::new();
                for name in ["tenant", "name", "minutes", "date", "time", "day", "year"] {
                    values.set(name, "7");
                }
                values.set("month", 1);
                let text = language.text(id, &values);
                assert_ne!(text, Language::English.text(id, &values), "{id} in {}.ftl", language.tag());
            }
        }
    }
}
