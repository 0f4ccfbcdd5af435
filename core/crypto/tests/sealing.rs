//! AES-256-GCM and SM4-GCM against published examples, and refusals.

// Helpers of a test may fail loudly, as the tests themselves do.
#![allow(clippy::unwrap_used)]

use aes_gcm::aead::consts::U16;
use aes_gcm::aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use bubi_crypto::{open, seal, AeadError, CipherKey, CipherSuite};

struct Example {
    suite: CipherSuite,
    key: &'static str,
    nonce: &'static str,
    aad: &'static str,
    plaintext: &'static str,
    sealed: &'static str,
}

/// "The Galois/Counter Mode of Operation" (the submission to NIST) appendix B, test cases 13, 14
/// and 16; RFC 8998 appendix A.1.
const EXAMPLES: [Example; 4] = [
    Example {
        suite: CipherSuite::Aes256Gcm,
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "",
        sealed: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    Example {
        suite: CipherSuite::Aes256Gcm,
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plaintext: "00000000000000000000000000000000",
        sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    },
    Example {
        suite: CipherSuite::Aes256Gcm,
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
                 76fc6ece0f4e1768cddf8853bb2d551b",
    },
    Example {
        suite: CipherSuite::Sm4Gcm,
        key: "0123456789abcdeffedcba9876543210",
        nonce: "00001234567800000000abcd",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd\
                    eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        sealed: "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
                 d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d\
                 83de3541e4c2b58177e065a9bf7b62ec",
    },
];

#[test]
fn published_examples_seal_and_open() {
    for example in &EXAMPLES {
        let key = CipherKey::new(example.suite, &hex::decode(example.key).unwrap()).unwrap();
        let nonce: [u8; 12] = hex::decode(example.nonce).unwrap().try_into().unwrap();
        let aad = hex::decode(example.aad).unwrap();
        let plaintext = hex::decode(example.plaintext).unwrap();
        let sealed = seal(&key, &nonce, &aad, &plaintext).unwrap();
        assert_eq!(hex::encode(&sealed), example.sealed);
        assert_eq!(open(&key, &nonce, &aad, &sealed).unwrap(), plaintext);
    }
}

/// GB/T 32907-2016 appendix A: one block, and the same block encrypted a million times.
#[test]
fn sm4_encrypts_the_standard_example() {
    let key = hex::decode("0123456789abcdeffedcba9876543210").unwrap();
    let cipher = sm4::Sm4::new_from_slice(&key).unwrap();
    let mut block: Array<u8, U16> = Array::try_from(key.as_slice()).unwrap();
    cipher.encrypt_block(&mut block);
    assert_eq!(hex::encode(block), "681edf34d206965e86b3e94f536e4246");
    for _ in 1..1_000_000 {
        cipher.encrypt_block(&mut block);
    }
    assert_eq!(hex::encode(block), "595298c7c6fd271f0402f804c33d3f66");
}

#[test]
fn any_change_is_refused() {
    for suite in [CipherSuite::Aes256Gcm, CipherSuite::Sm4Gcm] {
        let key = CipherKey::new(suite, &vec![7; suite.key_length()]).unwrap();
        let other = CipherKey::new(suite, &vec![8; suite.key_length()]).unwrap();
        let nonce = [1; 12];
        let sealed = seal(&key, &nonce, b"aad", b"plaintext").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(open(&key, &nonce, b"aad", &changed), Err(AeadError::NotAuthentic));
        }
        assert_eq!(open(&other, &nonce, b"aad", &sealed), Err(AeadError::NotAuthentic));
        assert_eq!(open(&key, &[2; 12], b"aad", &sealed), Err(AeadError::NotAuthentic));
        assert_eq!(open(&key, &nonce, b"AAD", &sealed), Err(AeadError::NotAuthentic));
        assert_eq!(open(&key, &nonce, b"aad", &sealed[..15]), Err(AeadError::NotAuthentic));
    }
}

#[test]
fn keys_have_one_length_and_stay_hidden() {
    for (suite, wrong) in [(CipherSuite::Aes256Gcm, 16), (CipherSuite::Sm4Gcm, 32)] {
        let expected = suite.key_length();
        let error = CipherKey::new(suite, &vec![0; wrong]).err();
        assert_eq!(error, Some(AeadError::KeyLength { expected, actual: wrong }));
    }
    let key = CipherKey::new(CipherSuite::Sm4Gcm, &[0xab; 16]).unwrap();
    assert_eq!(format!("{key:?}"), "CipherKey(Sm4Gcm, secret)");
}
