//! Whether a text is English: the rows of the model were fitted to English texts about software, and say little about
//! others, however many of their pieces it knows.

use crate::embed::Embedder;

/// Words of a text that are looked at.
const WORDS: usize = 64;
/// Letters of the shortest word that has to be known as a whole.
const LETTERS: usize = 4;

/// Words without which hardly a sentence of these languages is said, and that hardly stand in an English one: German,
/// Dutch, French, Spanish, Portuguese, Italian, Polish, Czech, Turkish, Finnish, Swedish, Vietnamese, Indonesian.
const FOREIGN: &[&str] = &[
    "aby", "auf", "aus", "avec", "bei", "bir", "cac", "cho", "como", "con", "cua", "cuando", "dan", "dans",
    "das", "deki", "del", "della", "den", "der", "dla", "dos", "een", "ein", "eine", "einem", "einen",
    "einer", "els", "esta", "etta", "fur", "gli", "het", "icin", "ile", "ist", "jest", "khi", "khong", "las",
    "les", "los", "met", "mit", "nach", "nao", "nel", "nicht", "nie", "och", "oder", "olan", "para", "pas",
    "por", "pour", "pro", "prze", "przez", "przy", "que", "sans", "sie", "som", "sur", "trong", "uma", "una",
    "und", "une", "untuk", "van", "von", "voor", "wenn", "yang", "zum", "zur",
];

/// Words that hardly an English sentence is without.
const ENGLISH: &[&str] = &[
    "after", "and", "are", "before", "for", "from", "if", "into", "not", "of", "should", "that", "the",
    "this", "to", "when", "with",
];

/// Words of software that the model puts together from pieces.
const SOFTWARE: &[&str] = &[
    "api",
    "async",
    "auth",
    "backend",
    "boolean",
    "cache",
    "cached",
    "caching",
    "changelog",
    "cli",
    "cluster",
    "config",
    "configs",
    "css",
    "csv",
    "database",
    "debug",
    "deploy",
    "deployed",
    "deploying",
    "deployment",
    "deprecate",
    "deprecated",
    "docker",
    "docs",
    "endpoint",
    "endpoints",
    "filename",
    "footer",
    "frontend",
    "git",
    "github",
    "gitlab",
    "grpc",
    "handler",
    "header",
    "html",
    "http",
    "https",
    "init",
    "integer",
    "json",
    "kubernetes",
    "latency",
    "linux",
    "localhost",
    "logging",
    "login",
    "logins",
    "logout",
    "mock",
    "mocks",
    "mysql",
    "nginx",
    "npm",
    "oauth",
    "oidc",
    "parse",
    "parser",
    "parsing",
    "plugin",
    "plugins",
    "postgres",
    "prefetch",
    "proxy",
    "python",
    "queue",
    "quota",
    "readme",
    "redis",
    "refactor",
    "regex",
    "repo",
    "retries",
    "retry",
    "runtime",
    "rust",
    "schema",
    "sdk",
    "serialize",
    "sidebar",
    "sql",
    "sqlite",
    "startup",
    "submodule",
    "timeout",
    "timeouts",
    "token",
    "tokens",
    "tooltip",
    "typo",
    "typos",
    "unicode",
    "upload",
    "uploads",
    "url",
    "urls",
    "username",
    "users",
    "utils",
    "validate",
    "validation",
    "webhook",
    "webhooks",
    "websocket",
    "workflow",
    "workflows",
    "yaml",
    "yarn",
];

/// Whether most of a text is in another language than English, as far as its words tell.
pub(crate) fn is_foreign(embedder: &dyn Embedder, text: &str) -> bool {
    let (mut letters, mut marked) = (0_usize, 0_usize);
    let (mut long, mut unknown) = (0_usize, 0_usize);
    let (mut all, mut foreign, mut english) = (0_usize, 0_usize, 0_usize);
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    for word in words.take(WORDS) {
        letters += word.chars().count();
        marked += word.chars().filter(|c| !c.is_ascii()).count();
        // A name in code says nothing about the language.
        if word.chars().skip(1).any(char::is_uppercase) {
            continue;
        }
        let plain = embedder.plain(word);
        all += 1;
        english += usize::from(ENGLISH.binary_search(&&*plain).is_ok());
        foreign += usize::from(FOREIGN.binary_search(&&*plain).is_ok());
        if plain.chars().count() >= LETTERS {
            long += 1;
            let is_known = embedder.knows(&plain) || SOFTWARE.binary_search(&&*plain).is_ok();
            unknown += usize::from(!is_known);
        }
    }
    let is_marked = marked >= 2 && marked * 8 >= letters;
    let is_unknown = unknown >= 2 && unknown * 2 > long && english == 0;
    let is_spoken = foreign >= 2 && foreign * 6 >= all || foreign > english && unknown * 3 > long;
    is_marked || is_unknown || is_spoken
}

#[cfg(test)]
mod tests {
    use crate::{StaticModel, profile::Meanings};

    #[test]
    fn other_languages_are_told_from_english() {
        let model = StaticModel::embedded().unwrap();
        for text in [
            "Füge einen Zwischenspeicher für die Suchergebnisse hinzu",
            "Fehler beim Anmelden beheben",
            "Agregar soporte para modo oscuro en la configuración",
            "Corregir el error de inicio de sesión",
            "Dodaj pamięć podręczną dla wyników wyszukiwania",
            "Napraw błąd logowania użytkownika",
            "Arama sonuçları için önbellek ekle",
            "Kullanıcı giriş hatasını düzelt",
            "Thêm bộ nhớ đệm cho kết quả tìm kiếm",
            "Sửa lỗi đăng nhập của người dùng",
            "Lisää välimuisti hakutuloksille",
            "Korjaa kirjautumisen virhe",
            "Ajouter un cache pour les résultats de recherche",
            "Добавить кэш для результатов поиска",
            "修复登录错误",
        ] {
            assert!(Meanings::of(&model, text, "").is_weak, "{text}");
        }
        assert!(Meanings::of(&model, "Fix the login", "修复登录错误,当密码为空时页面崩溃").is_weak);
        assert!(Meanings::of(&model, "修复登录错误", "The page crashes where the password is empty").is_weak);
    }

    #[test]
    fn english_about_software_is_english() {
        let model = StaticModel::embedded().unwrap();
        let pairs = include_str!("../tests/paraphrases.txt").lines().flat_map(|line| line.split(" | "));
        let weak: Vec<_> = pairs.filter(|text| Meanings::of(&model, text, "").is_weak).collect();
        assert!(weak.is_empty(), "{weak:#?}");
        for text in
            ["Fix the café menu", "Migrate from MySQL to Postgres", "Replace yarn with npm", "Add OAuth"]
        {
            assert!(!Meanings::of(&model, text, "").is_weak, "{text}");
        }
    }
}
