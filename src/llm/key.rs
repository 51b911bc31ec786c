//! The keys of the providers: where they come from, and where they may not go.

use secrecy::SecretString;

use super::config::{Configs, Error, ProviderName};
use crate::json::unmarked_text;
use crate::mask::plain_host;

/// The key from the environment, else from the file; `None` where neither is given.
///
/// # Errors
/// A file that cannot be read, and a key that no header can carry.
pub(super) fn api_key(
    variable: &'static str,
    file_key: &'static str,
    file: &std::path::Path,
) -> Result<Option<SecretString>, Error> {
    let from_environment = std::env::var(variable).ok();
    let (text, source_name) = match from_environment.filter(|text| !text.trim().is_empty()) {
        Some(text) => (text, variable.to_owned()),
        None if file.as_os_str().is_empty() => return Ok(None),
        None => {
            let text = std::fs::read_to_string(file).map_err(|source| Error::KeyFile {
                key: file_key,
                path: file.to_owned(),
                source,
            })?;
            (text, file_key.to_owned())
        }
    };
    let key = unmarked_text(&text).trim();
    if key.is_empty() {
        return Err(Error::Key { source_name, problem: "it is empty" });
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = "it holds something other than visible ASCII characters";
        return Err(Error::Key { source_name, problem });
    }
    Ok(Some(key.into()))
}

impl Configs {
    /// Refuses to send a key to another machine where anybody on the way can read it.
    pub(super) fn check_privacy(&self, provider: ProviderName) -> Result<(), Error> {
        let url = self.settings(provider).base_url;
        match plain_host(url.expose()).filter(|_| !self.llm.allow_plain_http) {
            Some(host) => {
                Err(Error::PlainHttp { section: provider.name(), url: url.clone(), host })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_file_is_trimmed_and_its_trouble_names_the_configuration() {
        const UNSET: &str = "UNDERTONE_TEST_NO_SUCH_KEY";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let read = || api_key(UNSET, "openai.api_key_file", &file);

        let missing = read().unwrap_err().to_string();
        assert!(missing.starts_with("openai.api_key_file names "), "{missing}");
        std::fs::write(&file, "  sk-secret\n").unwrap();
        let key = read().unwrap().unwrap();
        assert_eq!(key.expose_secret(), "sk-secret");
        assert!(!format!("{key:?}").contains("sk-secret"));
        for (content, problem) in [("\n", "empty"), ("sk-secret\nsecond", "visible ASCII")] {
            std::fs::write(&file, content).unwrap();
            let error = read().unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("sk-secret"), "{error}");
        }
        assert!(api_key(UNSET, "k", std::path::Path::new("")).unwrap().is_none());
    }
}
