//! A buyer without a browser: opens a link, fills the form in, posts it.

use std::collections::BTreeMap;

use reqwest::{Client, Method, Response, Url, redirect};

const REDIRECTS_MAX: usize = 5;

/// A page as a buyer sees it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// Its HTTP status.
    pub status: u16,
    /// Its markup.
    pub text: String,
    /// Where it leads, if that is to another site.
    pub leads_to: Option<String>,
    fields: BTreeMap<String, String>,
}

// === impl Page ===

impl Page {
    /// Opens an address, and follows redirects within its site.
    pub async fn open(url: &str) -> Self {
        Self::ask(Method::GET, Url::parse(url).unwrap(), String::new()).await
    }

    /// Fills the form in with a card, pays, and gives what comes then.
    pub async fn pay(&self, card: &str) -> Self {
        self.pay_as(card, &[]).await
    }

    /// The same, by a buyer who fills these fields in, too.
    pub async fn pay_as(&self, card: &str, further: &[(&str, &str)]) -> Self {
        let mut fields = self.fields.clone();
        for (name, value) in [
            ("email", "jenny.rosen@example.com"),
            ("card_number", card),
            ("card_expiry", "12/34"),
            ("card_cvc", "123"),
            ("card_name", "Jenny Rosen"),
            ("action", "pay"),
        ]
        .into_iter()
        .chain(further.iter().copied())
        {
            fields.insert(name.to_owned(), value.to_owned());
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::ask(Method::POST, self.url.clone(), form).await
    }

    /// The id of the payment that the page is about.
    pub fn session(&self) -> &str {
        let id = self.url.path().split('/').find(|part| part.starts_with("cs_"));
        id.expect("the page is one of a checkout session")
    }

    async fn ask(mut method: Method, mut url: Url, mut form: String) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        for _ in 0..REDIRECTS_MAX {
            let kind = ("content-type", "application/x-www-form-urlencoded");
            let request = http.request(method, url.clone()).header(kind.0, kind.1);
            let response = request.body(form).send().await.unwrap();
            match target(&url, &response) {
                Some(next) if next.origin() == url.origin() => url = next,
                leads_to => return Self::read(url, response, leads_to).await,
            }
            (method, form) = (Method::GET, String::new());
        }
        panic!("{url} leads nowhere");
    }

    async fn read(url: Url, response: Response, leads_to: Option<Url>) -> Self {
        let status = response.status().as_u16();
        let text = String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap();
        let fields = fields(&text);
        Self { url, status, text, leads_to: leads_to.map(Into::into), fields }
    }
}

fn target(url: &Url, response: &Response) -> Option<Url> {
    let location = response.headers().get("location")?;
    Some(url.join(location.to_str().unwrap()).unwrap())
}

/// What the form of a page holds before anyone types: enough of HTML for the sandbox's pages.
fn fields(html: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for input in tags(html, "input") {
        if let Some(name) = attribute(input, "name") {
            fields.insert(name, attribute(input, "value").unwrap_or_default());
        }
    }
    for select in html.split("<select ").skip(1) {
        let options = select.split("</select>").next().unwrap();
        let chosen = tags(options, "option").find(|option| option.contains(" selected"));
        if let (Some(name), Some(chosen)) = (attribute(select, "name"), chosen) {
            fields.insert(name, attribute(chosen, "value").unwrap_or_default());
        }
    }
    fields
}

fn tags<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let open = format!("<{name} ");
    let starts: Vec<usize> = html.match_indices(&open).map(|(at, _)| at + open.len()).collect();
    starts.into_iter().map(|start| html[start..].split('>').next().unwrap())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let marked = format!("{name}=\"");
    let rest = &tag[tag.find(&marked)? + marked.len()..];
    Some(rest.split('"').next().unwrap().to_owned())
}
