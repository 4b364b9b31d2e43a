//! What only the operator can say in the privacy policy.

use std::path::PathBuf;

use chassis::Problem;
use clap::Args;
use url::Url;

/// What only the operator can say in the privacy policy.
#[derive(Args, Clone, Debug, Default)]
pub struct PrivacySettings {
    /// The privacy policy that `/privacy` shows, in Markdown. By default it is the one that comes with the software.
    #[arg(long, env)]
    pub privacy_policy_file: Option<PathBuf>,
    /// The name and address of the responsible company, for that policy, such as `Example Ltd, 1 High Street, London,
    /// privacy@example.com`, and its data protection officer if it has one. Required where browsers reach the pages by https.
    #[arg(long, env)]
    pub privacy_contact: Option<String>,
    /// On which basis data is processed, in place of the policy's own sentences.
    #[arg(long, env)]
    pub privacy_legal_basis: Option<String>,
    /// Who else receives data, such as `Example Hosting GmbH, Nuremberg, which runs our servers`.
    #[arg(long, env)]
    pub privacy_recipients: Option<String>,
    /// To which countries outside of the European Economic Area data goes, and on which basis, apart from Meta.
    #[arg(long, env)]
    pub privacy_transfers: Option<String>,
    /// How long backups of the channels are kept, such as `for 30 days`.
    #[arg(long, env)]
    pub privacy_backups: Option<String>,
    /// How long logs are kept, such as `for 14 days`.
    #[arg(long, env)]
    pub privacy_logs: Option<String>,
    /// The authority to which people may complain, such as `the Information Commissioner's Office, ico.org.uk`.
    #[arg(long, env)]
    pub privacy_authority: Option<String>,
}

impl PrivacySettings {
    /// People who reach the pages must read who is responsible (GDPR, Art. 13 (1) (a)). An operator's own text says it
    /// itself, and pages on this machine alone are for trying out.
    pub fn check(&self, connect_url: &Url) -> Result<(), Problem> {
        let is_public = connect_url.scheme() == "https";
        if is_public && self.privacy_policy_file.is_none() && given(self.privacy_contact.as_ref()).is_none() {
            let right = "give the name, postal address and e-mail address of the responsible company";
            return Err(Problem::new("PRIVACY_CONTACT", "is missing, and the privacy policy must name it", right));
        }
        Ok(())
    }

    /// The settings in whose place the policy that comes with the software uses general words.
    pub fn general_words(&self) -> Vec<&'static str> {
        if self.privacy_policy_file.is_some() {
            return Vec::new();
        }
        let settings = [
            ("PRIVACY_LEGAL_BASIS", &self.privacy_legal_basis),
            ("PRIVACY_RECIPIENTS", &self.privacy_recipients),
            ("PRIVACY_TRANSFERS", &self.privacy_transfers),
            ("PRIVACY_BACKUPS", &self.privacy_backups),
            ("PRIVACY_LOGS", &self.privacy_logs),
            ("PRIVACY_AUTHORITY", &self.privacy_authority),
        ];
        settings.into_iter().filter(|(_, value)| given(value.as_ref()).is_none()).map(|(name, _)| name).collect()
    }
}

/// A setting that says something.
pub(crate) fn given(setting: Option<&String>) -> Option<&str> {
    setting.map(|text| text.trim()).filter(|text| !text.is_empty())
}
