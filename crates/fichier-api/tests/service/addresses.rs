//! The addresses of downloads in the forms that the service may use, and where they lead.

use fichier_api::{Client, Error, ErrorKind, FileUrl};
use fichier_emulator::{DownloadAddress, DownloadLeads, Emulator, Rules};

use crate::world::{SCALE, builder, printed};

/// Downloads one file from a service with these rules, by its own names and with TLS or without.
async fn downloaded(rules: Rules, tls: bool) -> (Emulator, Result<Vec<u8>, Error>) {
    let rules = Rules { time_scale: SCALE, ..rules };
    let emulator = Emulator::builder().rules(rules).tls(tls).start().await.unwrap();
    let url = FileUrl::parse(&emulator.add_file("/", "a", b"Hello world\n")).unwrap();
    let client = client(&emulator);
    let mut sink = Vec::new();
    let came = client.download(&url, None, &mut sink).await;
    (emulator, came.map(|_| sink))
}

fn client(emulator: &Emulator) -> Client {
    let client = builder(emulator, emulator.api_key());
    let client = match (emulator.proxy_url(), emulator.ca_pem()) {
        (Some(proxy), Some(ca)) => {
            let client = client.api_url("https://api.1fichier.com/v1").proxy(&proxy);
            client.extra_root_pem(ca.into())
        }
        _ => client,
    };
    client.build().unwrap()
}

#[tokio::test]
async fn z70_an_address_is_used_in_each_of_its_forms_and_redirects_are_followed() {
    use DownloadAddress::{Bare, OtherPort, Plain, Usual};
    for tls in [false, true] {
        for (address, leads) in [
            (Usual, DownloadLeads::ToTheFile),
            (Plain, DownloadLeads::ToTheFile),
            (OtherPort, DownloadLeads::ToTheFile),
            (Bare, DownloadLeads::ToTheFile),
            (Plain, DownloadLeads::Around(1)),
            (Usual, DownloadLeads::Around(3)),
        ] {
            let rules =
                Rules { download_address: address, download_leads: leads, ..Rules::default() };
            let (emulator, came) = downloaded(rules, tls).await;
            assert_eq!(came.unwrap(), b"Hello world\n", "{address:?} {leads:?}, TLS {tls}");
            assert_eq!(emulator.calls(), 1);
            emulator.assert_no_violations();
        }
    }
}

#[tokio::test]
async fn z71_an_address_that_leads_elsewhere_is_refused_by_name_and_the_login_page_is_a_refusal() {
    let foreign = Rules { download_address: DownloadAddress::Foreign, ..Rules::default() };
    let leads = |download_leads| Rules { download_leads, ..Rules::default() };
    for tls in [false, true] {
        for (rules, said) in [
            (foreign.clone(), "`a-1.downloads.example`"),
            (leads(DownloadLeads::Away), "`mirror.downloads.example`"),
            (leads(DownloadLeads::ToLogin), "/login.pl"),
            (leads(DownloadLeads::Around(4)), "more than 3 times"),
        ] {
            let (emulator, came) = downloaded(rules, tls).await;
            let error = came.unwrap_err();
            assert!(printed(&error).contains(said), "{}", printed(&error));
            let is_refusal = matches!(error.kind, ErrorKind::Refused { .. });
            assert_eq!(is_refusal, said == "/login.pl", "{error:?}");
            emulator.assert_no_violations();
        }
    }
}
