//! A check: three arms name candidates, all of which are looked at; the best of them are compared in full.

use hashbrown::HashMap;

use crate::{
    answer::{Query, Readable},
    common::{Common, Weights, Word},
    corpus::{Corpus, terms_beside},
    features::{Beside, Features, Rules, Side, complete, glance, is_bounded_by_a_glance, is_same_text},
    fixed::{ONE, share},
    item::{NAMES, State, Text},
    lexicon::{Reach, Scores, Term},
    packed::unpack,
    profile::Profile,
    rarity::Rarity,
    rules::wording::Wordings,
    top::Top,
    trigrams,
    vector::cosine,
};

/// Most terms of a text that are looked for.
const TERMS: usize = 64;

/// Most trigrams of a title that are looked for, the rarest: they say the most.
const GROUPS: usize = 24;

/// How much of one, of 60, a rank counts for in the order of arms: reciprocal rank fusion.
const RANK: u32 = 60;

/// What a query is made into before it meets the corpus.
pub(crate) struct Asked {
    pub(crate) profile: Profile,
    pub(crate) text: Text,
    pub(crate) wordings: Wordings,
    names: Vec<u32>,
}

impl Asked {
    pub(crate) fn new(profile: Profile, text: Text) -> Self {
        let names = terms_beside(&text, &profile.words);
        Self { profile, text, wordings: Wordings::default(), names }
    }
}

/// Who may be shown what.
pub(crate) struct View {
    /// Scopes by number, in order; nothing: all.
    scopes: Option<Vec<u32>>,
    before: u64,
    except: Option<u32>,
}

/// A candidate, compared.
pub(crate) struct Compared {
    pub(crate) slot: u32,
    pub(crate) logit: i32,
    pub(crate) features: Features,
}

impl Corpus {
    pub(crate) fn view(&self, query: &Query, readable: &Readable) -> View {
        let scopes = match readable {
            Readable::All => None,
            Readable::Scopes(names) => {
                let mut scopes: Vec<u32> = names.iter().filter_map(|name| self.scopes.find(name)).collect();
                scopes.sort_unstable();
                Some(scopes)
            }
        };
        let except = query.except.as_ref().and_then(|id| self.find(id));
        View { scopes, before: query.before.unwrap_or(u64::MAX), except }
    }

    /// Whether a slot holds something that may be shown.
    fn shows(&self, slot: u32, view: &View) -> bool {
        let Some(found) = self.slots.get(slot as usize) else { return false };
        found.text.is_some()
            && found.state != State::Discarded
            && found.created < view.before
            && view.except != Some(slot)
            && view.scopes.as_ref().is_none_or(|scopes| scopes.binary_search(&found.scope).is_ok())
    }

    /// Candidates, compared in full, best first and by id where they are equal: the best `limit`, and perhaps
    /// some more.
    pub(crate) fn search(
        &self,
        asked: &Asked,
        query: &Query,
        view: &View,
        limit: usize,
        scores: &mut Scores,
    ) -> Vec<Compared> {
        scores.fit(self.slots.len());
        let rarity = self.rarity();
        let arms = [
            self.by_meaning(asked, view),
            self.by_words(asked, rarity, view, scores),
            self.by_trigrams(asked, view, scores),
        ];
        let glancer = Glancer::new(self, asked, rarity, self.scopes.find(&query.scope));
        let mut seen: Vec<Compared> =
            self.most_named(&arms).into_iter().filter_map(|slot| glancer.glance(slot)).collect();
        self.sort(&mut seen);
        self.compare(asked, seen, limit)
    }

    fn sort(&self, found: &mut [Compared]) {
        let id = |found: &Compared| self.text(found.slot).map_or("", Text::id);
        found.sort_unstable_by(|one, other| other.logit.cmp(&one.logit).then_with(|| id(one).cmp(id(other))));
    }

    /// Compares in full, best first, until there are `limit` that no later one can rise above.
    fn compare(&self, asked: &Asked, seen: Vec<Compared>, limit: usize) -> Vec<Compared> {
        let weights = &self.settings.weights;
        let is_bounded = is_bounded_by_a_glance(weights);
        let rules = Rules::default();
        let side = Side::new(&asked.text, &asked.profile.meanings, &asked.profile.trigrams, &rules);
        let mut compared: Vec<Compared> = Vec::new();
        for seen in seen {
            let above = |found: &&Compared| found.logit > seen.logit;
            if is_bounded && compared.iter().filter(above).count() >= limit {
                break;
            }
            let Some(features) = self.complete(&side, &seen) else { continue };
            compared.push(Compared { slot: seen.slot, logit: weights.logit(&features), features });
        }
        self.sort(&mut compared);
        compared
    }

    fn complete(&self, asked: &Side<'_>, seen: &Compared) -> Option<Features> {
        let slot = self.slots.get(seen.slot as usize)?;
        let text = slot.text.as_ref()?;
        let (meanings, trigrams) = (self.meanings(slot)?, trigrams::of(text.title()));
        Some(complete(seen.features, asked, &Side::new(text, &meanings, &trigrams, &Rules::default())))
    }

    fn by_meaning(&self, asked: &Asked, view: &View) -> Vec<u32> {
        let mut top = Top::new(self.settings.per_arm);
        self.cells.scan(&asked.profile.meanings.whole, self.settings.vectors_scanned, |slot, product| {
            let product = i64::from(product);
            if product > 0 && top.wants(product, slot) && self.shows(slot, view) {
                top.push(product, slot);
            }
        });
        top.into_slots()
    }

    fn by_words(&self, asked: &Asked, rarity: Rarity, view: &View, scores: &mut Scores) -> Vec<u32> {
        let words = asked.profile.words.weighed(|word| rarity.of(self.count(word)));
        let mut terms: Vec<Term> = words.map(term).collect();
        let name = |key: u32| Word { key, weight: rarity.of(self.count(key)), is_in_title: true };
        terms.extend(asked.names.iter().map(|key| term(name(*key))));
        terms.sort_unstable_by_key(|term| (std::cmp::Reverse(term.weight), term.key));
        terms.truncate(TERMS);
        let reach = Reach { floor: self.floor(), budget: self.settings.word_places };
        self.words.search(&mut terms, reach, scores);
        let mut top = Top::new(self.settings.per_arm);
        let norms = self.norms();
        let [largest, ..] = norms;
        scores.drain(|slot, score| {
            let score = i64::from(score);
            // Most fall short even at the shortest length: theirs is not read.
            if top.wants(score * largest, slot) {
                self.offer_found(&mut top, slot, score * self.norm(&norms, slot), view);
            }
        });
        self.watched.score_words(&terms, self.floor(), scores);
        scores.drain(|slot, score| {
            self.offer(&mut top, slot, i64::from(score) * self.norm(&norms, slot), view);
        });
        top.into_slots()
    }

    fn by_trigrams(&self, asked: &Asked, view: &View, scores: &mut Scores) -> Vec<u32> {
        let mut groups: Vec<u32> = asked.profile.trigrams.clone();
        groups.sort_unstable_by_key(|group| (self.trigrams.count(*group), *group));
        groups.truncate(GROUPS);
        let mut terms: Vec<Term> =
            groups.iter().map(|key| Term { key: *key, weight: 1, marked_weight: 1 }).collect();
        let reach = Reach { floor: self.floor(), budget: self.settings.trigram_places };
        self.trigrams.search(&mut terms, reach, scores);
        let mut top = Top::new(self.settings.per_arm);
        scores.drain(|slot, score| {
            // A title has at least the groups that are common.
            if top.wants(spelling(score, score), slot) {
                self.offer_found(&mut top, slot, self.spelling(slot, score), view);
            }
        });
        self.watched.score_trigrams(&terms, self.floor(), scores);
        scores.drain(|slot, score| self.offer(&mut top, slot, self.spelling(slot, score), view));
        top.into_slots()
    }

    /// Common groups against the length of the title.
    fn spelling(&self, slot: u32, common: u32) -> i64 {
        spelling(common, self.lengths.get(slot as usize).map_or(0, |lengths| lengths.title.into()))
    }

    fn offer(&self, top: &mut Top, slot: u32, score: i64, view: &View) {
        if score > 0 && top.wants(score, slot) && self.shows(slot, view) {
            top.push(score, slot);
        }
    }

    /// Offers what was found in the index, unless it is scored beside it.
    fn offer_found(&self, top: &mut Top, slot: u32, score: i64, view: &View) {
        if top.wants(score, slot) && !self.is_watched_apart(slot) {
            self.offer(top, slot, score, view);
        }
    }

    /// Whether a slot is scored beside the index, being pending and too old to be read there for certain.
    fn is_watched_apart(&self, slot: u32) -> bool {
        slot < self.floor() && self.watched.contains(slot)
    }

    /// What a score is multiplied by for each length of a text, 8 bits behind the point: BM25 with words counted
    /// once, k1 = 1.2 and b = 0.75.
    fn norms(&self) -> [i64; 256] {
        let mean = (self.words_in_all / (self.len() as u64).max(1)).max(1) as i64;
        let mut norms = [0; 256];
        for (norm, length) in norms.iter_mut().zip(0_i64..) {
            *norm = 256 * 22 * 4 * mean / (40 * mean + 12 * mean + 36 * length);
        }
        norms
    }

    fn norm(&self, norms: &[i64; 256], slot: u32) -> i64 {
        let length = self.lengths.get(slot as usize).map_or(0, |lengths| lengths.words);
        norms.get(usize::from(length)).copied().unwrap_or(0)
    }

    /// The slots that the arms put first, all together.
    fn most_named(&self, arms: &[Vec<u32>]) -> Vec<u32> {
        let mut named: HashMap<u32, u32> = HashMap::new();
        for arm in arms {
            for (rank, slot) in (1..).zip(arm) {
                *named.entry(*slot).or_default() += 1_000_000 / (RANK + rank);
            }
        }
        let mut slots: Vec<(u32, u32)> = named.into_iter().collect();
        slots.sort_unstable_by_key(|(slot, named)| (std::cmp::Reverse(*named), *slot));
        slots.into_iter().take(self.settings.compared).map(|(slot, _)| slot).collect()
    }
}

/// Looks at candidates: all that can be seen of them without reading their texts.
struct Glancer<'a> {
    corpus: &'a Corpus,
    asked: &'a Asked,
    rarity: Rarity,
    scope: Option<u32>,
    /// Words that the corpus has, by their numbers.
    words: Vec<Word>,
    /// Of all words, those that it does not have among them.
    weights: Weights,
}

impl<'a> Glancer<'a> {
    fn new(corpus: &'a Corpus, asked: &'a Asked, rarity: Rarity, scope: Option<u32>) -> Self {
        let mut weights = Weights::default();
        let mut words = Vec::with_capacity(asked.profile.words.all.len());
        for word in asked.profile.words.weighed(|word| rarity.of(corpus.count(word))) {
            weights.add(&word);
            words.extend(corpus.words.number(word.key).map(|key| Word { key, ..word }));
        }
        words.sort_unstable_by_key(|word| word.key);
        Self { corpus, asked, rarity, scope, words, weights }
    }

    fn glance(&self, number: u32) -> Option<Compared> {
        let slot = self.corpus.slots.get(number as usize)?;
        let asked = &self.asked.profile;
        let beside = Beside {
            meaning: cosine(&asked.meanings.whole, self.corpus.cells.vector(slot.place)?),
            kinds: asked.words.kinds.differing(slot.kinds),
            lengths: [asked.words.all.len(), self.corpus.words_of(number)],
        };
        let weigh = |(key, is_in_title)| {
            let weight = self.rarity.of(self.corpus.words.count_with_imagined(key));
            Word { key, weight, is_in_title }
        };
        let common = Common::of(self.weights, &self.words, unpack(&slot.words).map(weigh));
        let text = slot.text.as_ref()?;
        let is_same_text = is_same_text(&asked.words, &self.asked.text, text);
        let features = Features { shares: glance(&common, beside), is_same_text, ..Features::default() };
        let same_scope = self.scope == Some(slot.scope);
        let features = with_names(features, &self.asked.text, text, same_scope);
        Some(Compared { slot: number, logit: self.corpus.settings.weights.logit(&features), features })
    }
}

/// A word as it is looked for: in a title on both sides it counts twice.
fn term(word: Word) -> Term {
    let Word { key, weight, is_in_title } = word;
    Term { key, weight, marked_weight: if is_in_title { 2 * weight } else { weight } }
}

/// Common groups against the groups of a title.
fn spelling(common: u32, title: u32) -> i64 {
    i64::from(common) * 65_536 / (GROUPS as i64 + i64::from(title))
}

/// Adds what stands beside the text.
pub(crate) fn with_names(features: Features, one: &Text, other: &Text, same_scope: bool) -> Features {
    Features {
        paths: common_share(one.paths(), || other.paths()),
        artifacts: common_share(one.artifacts(), || other.artifacts()),
        same_scope,
        ..features
    }
}

/// Share of names that both have.
fn common_share<'a, I: Iterator<Item = &'a str>>(
    one: impl Iterator<Item = &'a str>,
    other: impl Fn() -> I,
) -> i32 {
    let (mut count, mut common) = (0, 0);
    for name in one.take(NAMES) {
        count += 1;
        common += u64::from(other().any(|other| other == name));
    }
    if common == 0 {
        return 0;
    }
    share(common, count + other().count() as u64 - common).min(ONE)
}
