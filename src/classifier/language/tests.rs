//! What the language of a text is told by, in sentences and words of sixty languages.

use std::path::Path;
use std::sync::LazyLock;

use super::*;
use crate::classifier::{Encoder, Familiarity, out_of_domain};

pub fn english() -> &'static Encoder {
    static ENCODER: LazyLock<Encoder> = LazyLock::new(|| {
        let path = "models/undertone-mini/tokenizer.json";
        Encoder::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is bundled")
    });
    &ENCODER
}

fn evidence(text: &str) -> Evidence {
    static SPELLING: LazyLock<Spelling> = LazyLock::new(|| Spelling::new(english()));
    Evidence::of(text, &english().encode(text).expect("it has tokens"), &SPELLING)
}

fn language(text: &str) -> &'static str {
    detect(text, &evidence(text))
}

/// The signal of a model that reads English.
fn far(text: &str) -> f32 {
    let language = Language::of(text, None, &evidence(text), &["en".to_owned()]);
    let tokens = english().encode(text).expect("it has tokens");
    out_of_domain(text, &language, Familiarity::of(&tokens, english().unknown, &evidence(text)))
}

#[test]
fn a_script_of_its_own_tells_the_language() {
    for (text, code) in [
        ("לא אהבתי את זה", "he"),
        ("Δεν μου άρεσε", "el"),
        ("ไม่ชอบเลย", "th"),
        ("არ მომეწონა", "ka"),
        ("Ինձ դուր չեկավ", "hy"),
        ("எனக்குப் பிடிக்கவில்லை", "ta"),
        ("আমার পছন্দ হয়নি", "bn"),
        ("አልወደድኩትም", "am"),
        ("నాకు నచ్చలేదు", "te"),
        ("ನನಗೆ ಇಷ್ಟವಾಗಲಿಲ್ಲ", "kn"),
        ("എനിക്ക് ഇഷ്ടമായില്ല", "ml"),
        ("મને ગમ્યું નહીં", "gu"),
        ("ਮੈਨੂੰ ਪਸੰਦ ਨਹੀਂ ਆਇਆ", "pa"),
        ("මම කැමති නැහැ", "si"),
        ("ខ្ញុំមិនចូលចិត្តទេ", "km"),
        ("ຂ້ອຍບໍ່ມັກ", "lo"),
        ("မကြိုက်ဘူး", "my"),
        ("마음에 안 들어요", "ko"),
        ("気に入らなかった", "ja"),
        ("我不喜欢这个", "zh"),
    ] {
        assert_eq!(language(text), code, "{text}");
    }
}

#[test]
fn languages_that_share_a_script_are_told_by_their_letters_and_words() {
    for (text, code) in [
        ("لم يعجبني هذا المنتج", "ar"),
        ("این را دوست نداشتم", "fa"),
        ("مجھے یہ پسند نہیں آیا", "ur"),
        ("Мне это не понравилось", "ru"),
        ("Мені це не сподобалося", "uk"),
        ("Това не ми хареса", "bg"),
        ("Ово ми се није свидело", "sr"),
        ("मुझे यह पसंद नहीं आया", "hi"),
        ("मला हे आवडले नाही", "mr"),
        ("मलाई यो मन परेन", "ne"),
    ] {
        assert_eq!(language(text), code, "{text}");
    }
}

#[test]
fn mixed_scripts_go_by_their_share() {
    assert_eq!(language("Доставка DHL была очень быстрая"), "ru");
    assert_eq!(language("I ordered the борщ and it was great"), "en");
    assert_eq!(language("今日のlunchは最高でした"), "ja");
    // One particle does not make Chinese Japanese.
    assert_eq!(language("这是我最喜欢的北海道の味道真的非常好吃"), "zh");
}

#[test]
fn short_texts_of_other_languages_are_not_english() {
    for (text, code) in [
        ("Excelente", "pt"),
        ("Schlecht", "de"),
        ("Muy bien", "es"),
        ("Sehr gut", "de"),
        ("Très bien", "fr"),
        ("Tres bien", "fr"),
        ("Ottimo", "it"),
        ("Não gostei", "pt"),
        ("Nie polecam", "pl"),
        ("Çok güzel", "tr"),
        ("Rất tốt", "vi"),
        ("muuuy mal", "es"),
        ("bahut accha hai", "hi"),
    ] {
        assert_eq!(language(text), code, "{text}");
        assert_eq!(far(text), 1.0, "{text}");
    }
}

#[test]
fn english_is_not_taken_for_another_language_however_it_is_spelt() {
    for text in [
        "teh delivrey was realy slwo",
        "Recieved it yestarday, definately worth it",
        "soooo gooood",
        "AMAZING STAFF",
        "lol omg",
        "Déjà vu",
        "Bon appétit, what a meal",
        "sh*t app, f***ing useless",
        "#worstairline ever @united",
        "Thanks Sofia",
        "Los Angeles traffic",
        "kubectl keeps crashing",
        "git push --force again, CI is red",
        "Perfect!!!",
    ] {
        assert_eq!(language(text), "en", "{text}");
        assert!(far(text) < 0.5, "{text}: {}", far(text));
    }
}

#[test]
fn what_says_nothing_counts_as_english() {
    for text in ["", "12345", "👍👍", "Giuseppe", "Xyloquent", "@user https://example.com", "!!!"]
    {
        assert_eq!(language(text), "en", "{text}");
        assert!(far(text) < 0.5, "{text}: {}", far(text));
    }
}

#[test]
fn rows_of_letters_are_out_of_the_domain() {
    for text in ["asdf qwer zxcv", "sdkfjhsdkjfh", "qwrtp zxcvb mnbvc", "hgjf dkslq wpeor vncmx"] {
        assert!(far(text) >= 0.5, "{text}: {}", far(text));
    }
}

#[test]
fn a_language_that_is_read_is_not_measured_by_english_words() {
    let text = "Das Frühstück schmeckte leider überhaupt nicht.";
    let languages = ["de".to_owned(), "en".to_owned()];
    let language = Language::of(text, None, &evidence(text), &languages);
    let tokens = english().encode(text).expect("it has tokens");
    let familiarity = Familiarity::of(&tokens, english().unknown, &evidence(text));
    assert_eq!((language.code.as_ref(), language.supported), ("de", true));
    assert_eq!(out_of_domain(text, &language, familiarity), 0.0);
}

#[test]
fn a_language_that_is_given_is_believed() {
    let english = ["en".to_owned()];
    let given = Language::of("Sehr gut", Some("en-GB"), &evidence("Sehr gut"), &english);
    assert!(given.supported);
    assert!(!Language::of("Very good", Some("fr"), &evidence("Very good"), &english).supported);
}

#[test]
fn sentences_in_sixty_languages_are_told_from_english() {
    let rows = include_str!("../../../benches/language/foreign.tsv").lines();
    let rows = rows.map(|line| line.split_once('\t').expect("a line has a tab"));
    let (mut all, mut english, mut right) = (0, Vec::new(), 0);
    for (code, text) in rows {
        let told = language(text);
        all += 1;
        right += usize::from(told == code);
        if told == "en" {
            english.push(text);
        }
    }
    assert!(english.len() <= 2, "{english:?}");
    assert!(right * 10 >= all * 9, "{right} of {all}");
}

#[test]
fn short_english_of_all_sorts_is_english() {
    let texts = include_str!("../../../benches/language/english.txt").lines();
    let wrong: Vec<_> = texts.filter(|text| language(text) != "en").collect();
    assert!(wrong.len() <= 6, "{wrong:?}");
}
